"""In which context a writer sends."""

import asyncio
from contextvars import ContextVar
from typing import Any

import pytest

from tests.realtime.connection.in_memory import Connection, event, frame
from tests.waiting import until_in_loop

who: ContextVar[str] = ContextVar("who", default="nobody")


@pytest.mark.parametrize("waits", [False, True])
async def test_a_context_variable_set_by_a_send_is_seen_by_no_other_socket_and_can_be_reset(waits: bool) -> None:
    seen: list[str] = []

    def named(name: str, connection: Connection) -> Connection:
        send = connection.socket.send

        async def send_as(message: dict[str, Any]) -> None:
            seen.append(who.get())
            token = who.set(name)
            try:
                await send(message)
            finally:
                seen.append(who.get())
                who.reset(token)

        connection.writer._send = send_as
        return connection

    async def fan_out() -> None:
        who.set("who brings it")
        for live in (ann, bob):
            assert live.offer(event(1))
            assert who.get() == "who brings it"

    first, second = named("Ann", Connection(sends_at_once=False)), named("Bob", Connection(sends_at_once=False))
    ann, bob = first.subscribe("a"), second.subscribe("a")
    await asyncio.sleep(0)
    if waits:
        first.socket.gate.clear()
        second.socket.gate.clear()
    await asyncio.create_task(fan_out())
    for each in (first, second):
        each.socket.gate.set()
    await until_in_loop(lambda: len(seen) == 4)
    for each in (first, second):
        each.writer.answer("still there")
        assert await each.socket.next(2) == [frame(1), "still there"]
        assert not each.failures
        each.running.cancel()
    assert seen[:4] == (["nobody", "nobody", "Ann", "Bob"] if waits else ["nobody", "Ann", "nobody", "Bob"])


async def test_a_context_variable_left_set_by_a_send_is_seen_by_the_next_one() -> None:
    connection = Connection(sends_at_once=False)
    seen: list[str] = []

    async def send(message: dict[str, Any]) -> None:
        seen.append(who.get())
        who.set(message["text"])

    connection.writer._send = send
    connection.writer.answer("1")  # by the task
    await asyncio.sleep(0)
    for text in "23":
        connection.writer.answer(text)  # by this test
    await asyncio.sleep(0)
    assert seen == ["nobody", "1", "2"]
    assert who.get() == "nobody"
    connection.running.cancel()


async def test_a_frame_added_during_a_send_is_sent_after_it() -> None:
    connection = Connection(sends_at_once=False)
    sent: list[str] = []

    async def send(message: dict[str, Any]) -> None:
        if message["text"] in ("1", frame(1)):
            connection.writer.answer(f"after {len(sent)}")
        sent.append(message["text"])

    connection.writer._send = send
    live = connection.subscribe("a")
    await asyncio.sleep(0)
    connection.writer.answer("1")
    live.offer(event(1))
    await asyncio.sleep(0)
    assert sent == ["1", "after 0", frame(1), "after 2"]
    assert not connection.failures
    connection.running.cancel()
