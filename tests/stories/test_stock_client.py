"""A client that knows only the base protocol works unchanged, through every server."""

import asyncio

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from executions.models import Graph, GraphExecution
from executions.services import (
    append_node_outputs,
    finish_execution,
    report_execution,
    report_node,
    share_execution,
    start_execution,
)
from tests.database import in_db
from tests.realtime.clients import PATIENCE
from tests.stories.doors import NAMES, Door, token_of
from tests.stories.stock_client import Message, StockClient, as_the_base_protocol_writes
from tests.stories.test_base_protocol import watch, watch_graph
from tests.waiting import until_in_loop


def of_the_team(data: Message) -> bool:
    return data.get("organization_id") == "org-1" and data["trigger_source"] == "schedule"


@pytest.mark.parametrize("door", NAMES[1:], indirect=True)  # a real handshake needs a server
async def test_a_client_whose_token_was_refused_at_first_gets_its_events(door: Door, user: User, graph: Graph) -> None:
    """It subscribes when its socket opens, so a refused socket must never open."""
    tokens = ["", "nonsense", token_of(user)[:-1]]
    subscribe = {"method": "subscribe_graph_executions", "data": {"graph_id": str(graph.pk)}}
    client = StockClient(
        f"ws://{door.address}/ws", lambda: tokens.pop(0) if tokens else token_of(user), [subscribe], of_the_team
    )
    try:
        await until_in_loop(lambda: client.pongs)
        assert (client.failed, client.opened) == (3, 1)
        await in_db(start_execution)(graph, user=user)
        mine = await in_db(start_execution)(graph, user=user, organization_id="org-1", trigger_source="schedule")
        async with asyncio.timeout(PATIENCE):
            method, data = await client.shown.get()
        assert (method, data["id"], data["status"]) == ("graph_execution_event", str(mine.pk), "QUEUED")
    finally:
        await client.stop()


async def test_events_are_written_as_the_base_protocol_writes_them(
    door: Door, user: User, graph: Graph, settings: Settings
) -> None:
    settings.EXECUTIONS = {"SHOW_CREDENTIAL_INPUTS": True}
    client = await door.client(user)
    await watch_graph(client, graph)
    execution: GraphExecution = await in_db(start_execution)(
        graph,
        user=user,
        inputs={"text": 'ä "\u2028"', "number": 1e22, "nothing": None},
        credential_inputs={"key": {"id": "c", "provider": "p", "type": "api_key", "title": None}},
        nodes_input_masks={"split": {"text": "y"}},
        is_shared=True,
        team_id="team-1",
        webhook_id="hook",
    )
    texts = [await client.text()]
    await client.ask("unsubscribe", {"graph_id": str(graph.pk)})
    await watch(client, execution)
    await in_db(report_execution)(execution, status="RUNNING")
    await in_db(report_node)(execution, node_id="n", block_id="b", status="RUNNING", input_data={"a": [0.1, -0.0]})
    await in_db(append_node_outputs)(execution, node_id="n", outputs={"line": ["<é>", 7, True]})
    await in_db(report_node)(execution, node_id="n", status="COMPLETED")
    await in_db(share_execution)(execution, is_shared=False)
    await in_db(finish_execution)(execution, outputs={"report": ["done"]}, stats={"cost": 3, "duration": 1.5})
    texts += [await client.text() for _ in range(6)]
    for text in texts:
        assert text == as_the_base_protocol_writes(text)
    assert '"credential_inputs":{"key":{"id":"c"' in texts[0]
    assert '"nodes_input_masks":{"split":{"text":"y"}}' in texts[0]
    assert '"is_shared":true,"share_token":"' in texts[0]
    assert '"organization_id":null,"team_id":"team-1","expert_id":null,"trigger_source":null' in texts[0]
    assert '"is_shared":false,"share_token":null' in texts[-1]
