"""A socket whose `send` fails because of a defect is closed with 1011, and nothing of it is left."""

import asyncio

import pytest

from executions.services import notify_user
from realtime.connection.writer import Writer
from realtime.consumers import LiveConsumer
from realtime.hub.registry import hub_of_this_loop
from tests.database import in_db
from tests.realtime.clients import PATIENCE, HandshakeRefused
from tests.realtime.traces import nothing_is_left


@pytest.fixture
def breaking(monkeypatch):
    """Set the event, and the next send of any writer raises."""
    is_broken = asyncio.Event()
    make = Writer.__init__

    def make_broken(self, send, *args, **options):
        async def send_or_fail(message):
            if is_broken.is_set():
                is_broken.clear()
                raise ValueError("This middleware is broken.")
            await send(message)

        make(self, send_or_fail, *args, **options)

    monkeypatch.setattr(Writer, "__init__", make_broken)
    return is_broken


async def by_event(client, user):
    await in_db(notify_user)(user, type="info", event="an event")


async def by_heartbeat(client, user):
    await client.send("heartbeat", "ping")


async def by_answer(client, user):
    await client.send("unsubscribe", {"graph_id": "none"})


@pytest.mark.parametrize("fail", [by_event, by_heartbeat, by_answer])
async def test_a_socket_whose_send_fails_is_closed_and_removed(live_client, user, breaking, counted, caplog, fail):
    client = await live_client(user)
    await client.ping()
    breaking.set()
    await fail(client, user)
    assert await client.close_code() == 1011
    await asyncio.wait_for(client.communicator.future, PATIENCE)
    hub = hub_of_this_loop()
    assert hub is None or not hub.streams
    assert counted["errors"] == 1
    assert [record.exc_info[0] for record in caplog.records if record.levelname == "ERROR"] == [ValueError]
    await nothing_is_left()


async def test_a_socket_whose_accept_fails_is_refused_and_removed(live_client, user, monkeypatch, counted):
    async def fail(self, *args, **options):
        raise ValueError

    monkeypatch.setattr(LiveConsumer, "accept", fail)
    with pytest.raises(HandshakeRefused):
        await live_client(user)
    assert counted["errors"] == 1


async def test_a_consumer_that_is_cancelled_while_it_fails_stays_cancelled(live_client, user, monkeypatch):
    failing = []
    make = Writer.__init__

    def make_and_keep(self, *args, on_failure, **options):
        failing.append(on_failure)
        make(self, *args, on_failure=on_failure, **options)

    monkeypatch.setattr(Writer, "__init__", make_and_keep)
    client = await live_client(user)
    failing[0](ValueError())
    client.communicator.future.cancel()
    await asyncio.wait({client.communicator.future}, timeout=PATIENCE)
    assert client.communicator.future.cancelled()
    await nothing_is_left()
