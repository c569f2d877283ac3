"""How a writer ends: stopped, cancelled, or by the failure of a send."""

import asyncio
import logging
from typing import Any

import pytest
from pytest_django import Settings

from realtime.connection import writer
from realtime.metrics import counts
from realtime.subscription.subscription import SocketSubscription
from tests.realtime.connection.in_memory import PATIENCE, Connection, event, frame
from tests.realtime.connection.test_lost import LOST
from tests.waiting import until_in_loop


async def test_a_stopped_subscription_sends_no_frame(connection: Connection) -> None:
    connection.socket.gate.clear()
    live = connection.subscribe("a")
    for seq in range(1, 4):
        live.offer(event(seq))
    assert await connection.socket.next(1) == [frame(1)]
    live.stop()
    live.offer(event(4))
    connection.writer.answer("unsubscribed")
    connection.socket.gate.set()
    assert await connection.socket.next(1) == ["unsubscribed"]
    assert await connection.socket.is_quiet()


async def test_a_subscription_that_stops_during_its_read_sends_nothing_of_it(connection: Connection) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    async def fill(subscription: SocketSubscription) -> None:
        begun.set()
        await gate.wait()
        subscription.fill([event(1)])

    connection.log.answer = fill
    live = connection.subscribe("a", head=1)
    await begun.wait()
    live.stop()
    gate.set()
    assert await connection.socket.is_quiet()
    assert connection.log.asked == ["a"]


async def test_a_cancelled_writer_ends_its_read_too(connection: Connection) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def fill(subscription: SocketSubscription) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    connection.log.answer = fill
    connection.subscribe("a", head=1)
    await begun.wait()
    connection.running.cancel()
    await asyncio.wait_for(ended.wait(), PATIENCE)


@pytest.mark.parametrize("error", LOST.values(), ids=LOST)
@pytest.mark.parametrize("is_idle", [True, False])
async def test_a_lost_connection_ends_the_writer_without_an_error(
    connection: Connection, error: Exception, is_idle: bool, caplog: pytest.LogCaptureFixture
) -> None:
    before = counts().get("errors", 0)
    if is_idle:
        await asyncio.sleep(0)
    connection.socket.error = error
    connection.writer.answer("answer")
    await asyncio.wait_for(connection.running, PATIENCE)
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]
    assert counts().get("errors", 0) == before
    assert not connection.failures


async def test_a_lost_connection_without_a_disconnect_message_is_a_failure(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(writer, "GOODBYE_TIMEOUT", 0.01)
    connection.socket.error = ConnectionRefusedError("Redis of a middleware")
    connection.writer.answer("answer")
    await until_in_loop(lambda: bool(connection.failures))
    assert connection.failures == [connection.socket.error]
    assert "Redis of a middleware" in caplog.text


async def test_after_the_end_of_the_consumer_nothing_is_a_failure(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(writer, "GOODBYE_TIMEOUT", 0.01)
    connection.socket.error = ConnectionError()
    connection.writer.answer("answer")
    await asyncio.sleep(0)
    connection.writer.stop()
    connection.writer.answer("answer")
    its_time_is_over = asyncio.Event()
    asyncio.get_running_loop().call_later(writer.GOODBYE_TIMEOUT, its_time_is_over.set)
    await its_time_is_over.wait()
    assert not connection.failures
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG]


@pytest.mark.parametrize("is_idle", [True, False])
async def test_any_other_error_is_logged_counted_and_reported(
    connection: Connection, is_idle: bool, caplog: pytest.LogCaptureFixture
) -> None:
    before = counts().get("errors", 0)
    if is_idle:
        await asyncio.sleep(0)
    connection.socket.error = ValueError("a middleware's")
    connection.writer.answer("answer")
    await asyncio.wait_for(connection.running, PATIENCE)
    assert connection.failures == [connection.socket.error]
    assert counts()["errors"] == before + 1
    assert [record.levelname for record in caplog.records if record.exc_info] == ["ERROR"]


async def test_an_error_of_a_send_does_not_reach_the_caller_that_offers_the_event(
    connection: Connection,
) -> None:
    live = connection.subscribe("a")
    await asyncio.sleep(0)
    connection.socket.error = ValueError()
    assert live.offer(event(1))
    assert live.offer_together([event(2), event(3)]) == 0
    await asyncio.wait_for(connection.running, PATIENCE)
    assert connection.failures == [connection.socket.error]


@pytest.mark.parametrize("sends_at_once", [True, False])
@pytest.mark.parametrize("is_idle", [True, False])
async def test_an_error_that_is_no_exception_closes_this_socket_only(sends_at_once: bool, is_idle: bool) -> None:
    class Panic(BaseException):  # as that of an extension in Rust
        pass

    connection = Connection(sends_at_once=sends_at_once)
    live = connection.subscribe("a")
    if is_idle:
        await asyncio.sleep(0)
    connection.socket.error = Panic()
    assert live.offer(event(1))
    await asyncio.wait_for(connection.running, PATIENCE)
    assert [str(error) for error in connection.failures] == ["The sending of a frame raised Panic()"]
    assert connection.failures[0].__cause__ is connection.socket.error


@pytest.mark.parametrize("name", ["send", "release"])
async def test_an_error_of_the_direct_sender_is_reported(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    error = ValueError()

    def fail(*args: Any) -> bool:
        raise error

    connection = Connection(sends_at_once=True)
    live = connection.subscribe("a")
    await asyncio.sleep(0)
    monkeypatch.setattr(connection.direct_sender, name, fail)
    assert live.offer_together([event(1), event(2)]) == 0
    connection.writer.answer("answer")
    await until_in_loop(lambda: bool(connection.failures))
    assert connection.failures == [error]
    connection.running.cancel()


async def test_an_event_that_cannot_be_made_a_frame_is_reported(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = connection.subscribe("a")
    await asyncio.sleep(0)
    connection.socket.gate.clear()
    connection.writer.answer("held up")
    live.offer(event(1))
    monkeypatch.setattr(SocketSubscription, "frame_of", lambda *_: [][0])
    connection.socket.gate.set()
    await until_in_loop(lambda: bool(connection.failures))
    assert [type(error) for error in connection.failures] == [IndexError]


async def test_a_failed_writer_blocks_no_caller(connection: Connection, settings: Settings) -> None:
    settings.REALTIME = {"MAX_PENDING_REQUESTS": 2}
    connection.socket.error = ValueError()
    connection.writer.answer("answer")
    await asyncio.sleep(0)
    for _ in range(5):
        connection.writer.answer("answer")
        connection.writer.pong("pong")
        await asyncio.wait_for(connection.writer.wait_for_room(), PATIENCE)


async def test_a_cancelled_send_does_not_reach_the_caller_that_offers_the_event(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def send(message: dict[str, Any]) -> None:
        raise asyncio.CancelledError

    live = connection.subscribe("a")
    assert await connection.socket.is_quiet()
    monkeypatch.setattr(connection.writer, "_direct_sender", None)
    monkeypatch.setattr(connection.writer, "_send", send)
    assert live.offer(event(1))
    await asyncio.wait({connection.running}, timeout=PATIENCE)
    assert connection.running.cancelled()
    assert [str(error) for error in connection.failures] == ["The sending of a frame was cancelled"]


async def test_a_cancelled_writer_reports_nothing(connection: Connection) -> None:
    await asyncio.sleep(0)
    connection.running.cancel()
    await asyncio.wait({connection.running}, timeout=PATIENCE)
    assert not connection.failures
