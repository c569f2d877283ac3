"""A middleware that wraps `send` sees every frame once, in order, in the socket's context, under each server."""

import re

import pytest
from django.contrib.auth.models import User

from executions.models import GraphExecution
from executions.services import notify_user, report_node
from tests.database import in_db
from tests.realtime.clients import Client
from tests.stories.doors import LiveServer, ServerDoor, Servers

pytestmark = pytest.mark.django_db(transaction=True)

MIDDLEWARES = {
    "redacts": ["redacts"],
    "meters": ["meters"],
    "context": ["context"],
    "partial": ["partial"],
    "copied_scope": ["partial"],
    "outside_and_inside": ["partial", "context"],
    "router": ["partial"],
}
EVENTS = 10


def served(program: str, application: str) -> LiveServer:
    """Serves an application of middleware.py."""
    Servers.need_a_client()
    return LiveServer(program, application=f"tests.stories.middleware:{application}")


async def talk(client: Client, user: User, execution: GraphExecution) -> list[str]:
    """Answers, heartbeats, events and notifications: the texts that the client got, in order."""
    texts = []
    await client.send("subscribe_graph_execution", {"graph_exec_id": str(execution.pk), "after": 0})
    texts += [await client.text(), await client.text()]  # the answer, and the event of the start
    for number in range(EVENTS):
        await in_db(report_node)(execution, node_id=f"n{number}", status="QUEUED", input_data={"text": ["secret"]})
        texts.append(await client.text())
        await client.send("heartbeat", "ping", success=True)
        texts.append(await client.text())
        await in_db(notify_user)(user, type="info", event=f"secret {number}")
        texts.append(await client.text())
    await client.send("unsubscribe", {"graph_exec_id": str(execution.pk)})
    texts.append(await client.text())
    return texts


def seen(server: LiveServer) -> dict[str, list[str]]:
    """The texts that each middleware has seen, in order."""
    texts: dict[str, list[str]] = {}
    for name, text in re.findall(r"^SEEN ([a-z_]+)(?:-\d+)? (.*)$", server.output, re.MULTILINE):
        texts.setdefault(name, []).append(text)
    return texts


@pytest.mark.parametrize("program", ["runwire", "daphne", "uvicorn"])
@pytest.mark.parametrize("application", MIDDLEWARES)
async def test_a_middleware_sees_each_frame_once_and_in_order(
    program: str, application: str, user: User, execution: GraphExecution
) -> None:
    with served(program, application) as server:
        door = ServerDoor(server)
        texts = await talk(await door.client(user), user, execution)
        await door.leave()
        assert "Traceback" not in server.output, server.output
        assert seen(server) == dict.fromkeys(MIDDLEWARES[application], texts)
        if application == "meters":
            metered = re.findall(r"^SEEN meters-(\d+)", server.output, re.MULTILINE)
            assert int(metered[-1]) == sum(map(len, texts))
    if application == "redacts":
        assert not any("secret" in text for text in texts)
        assert any("******" in text for text in texts)


async def test_without_a_middleware_each_frame_takes_the_direct_way(user: User, execution: GraphExecution) -> None:
    with served("runwire", "plain") as server:
        door = ServerDoor(server)
        texts = await talk(await door.client(user), user, execution)
        await door.leave()
        found = seen(server)
    refused = found.pop("refused", [])  # by a transport that is not ready: then the frame takes the ASGI way
    assert found == {"direct": [text for text in texts if text not in refused]}
    assert len(refused) <= 1
