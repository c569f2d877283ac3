"""A consumer is freed at the end of its socket, without the garbage collector."""

import gc
from collections import Counter

import pytest
from django.contrib.auth.models import User

from executions.models import GraphExecution
from realtime.connection.request_queue import RequestQueue
from realtime.connection.send_queue import SendQueue
from realtime.connection.writer import Writer
from realtime.consumers import LiveConsumer
from realtime.hub.hub import Hub
from realtime.subscription.subscription import SocketSubscription
from realtime.wire.requests import BadRequest
from tests.realtime.clients import InProcess
from tests.realtime.conftest import ConnectClient
from tests.waiting import until_in_loop

pytestmark = pytest.mark.django_db(transaction=True)


CLASSES = (LiveConsumer, Hub, SocketSubscription, Writer, SendQueue, RequestQueue, BadRequest)


def left() -> Counter[str]:
    # Not `isinstance`, which would evaluate the lazy objects of other tests.
    return Counter(type(each).__name__ for each in gc.get_objects() if issubclass(type(each), CLASSES))


async def test_a_socket_that_watched_a_stream_leaves_nothing(
    without_collector: None, live_client: ConnectClient, user: User, execution: GraphExecution
) -> None:
    before = left()
    client = await live_client(user)
    for after in (0, 1):
        await client.ask("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": after})
    await client.ask("subscribe_graph_execution", {"graph_exec_id": "none"})
    assert {each.__name__ for each in CLASSES} - {"BadRequest"} <= set(left())
    await client.disconnect()
    await until_in_loop(lambda: not left() - before)


async def test_a_socket_with_bad_credentials_leaves_nothing(without_collector: None) -> None:
    before = left()
    client = InProcess("/ws?token=bad&refusal=frame")
    await client.connect()
    await client.frame()
    assert await client.close_code() == 4003
    await client.disconnect()
    await until_in_loop(lambda: not left() - before)


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        '{"method":"none"}',
        '{"method":"notification","data":{}}',
        '{"method":"subscribe_graph_execution"}',
        '{"method":"subscribe_graph_execution","data":{"graph_exec_id":7}}',
        '{"method":"subscribe_graph_execution","data":{"graph_exec_id":"none"}}',
    ],
)
async def test_a_refused_request_leaves_nothing_while_its_socket_is_open(
    without_collector: None, live_client: ConnectClient, user: User, text: str
) -> None:
    client = await live_client(user)
    before = left()
    await client.send_text(text)
    assert (await client.frame())["error"]
    await until_in_loop(lambda: not left() - before)
