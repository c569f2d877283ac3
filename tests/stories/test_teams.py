"""A team on servers of their own: members watch, and one who leaves loses it on every server at once."""

from contextlib import ExitStack

import pytest
from pytest_django import Settings

from executions.services import report_node
from tests.database import in_db
from tests.executions.teams import TEAMS, Team, make_team
from tests.realtime.layers import redis_layer
from tests.servers import Redis
from tests.stories.doors import Servers
from tests.stories.test_base_protocol import watch
from tests.stories.test_revocation import ONLY_NOTICES
from tests.stories.test_two_processes import Two

REVOKED = "Execution subscription access was revoked"


@pytest.mark.timeout(120)
async def test_a_member_who_leaves_loses_the_streams_of_the_team_on_every_server(
    transactional_db: None, redis_server: Redis, settings: Settings
) -> None:
    Servers.need_a_client()
    settings.CHANNEL_LAYERS = redis_layer(redis_server.url)
    settings.EXECUTIONS = {**settings.EXECUTIONS, "ACCESS": TEAMS}
    team: Team = await in_db(make_team)()
    with ExitStack() as life:
        two = await in_db(Two)(life, layers=settings.CHANNEL_LAYERS, limits=ONLY_NOTICES, ACCESS_POLICY=TEAMS)
        members = [await door.client(team.member) for door in two.doors]
        owners = [await door.client(team.owner) for door in two.doors]
        for client in (*members, *owners):
            await watch(client, team.execution)
        outsider = await two.doors[0].client(team.outsider)
        answer = await outsider.ask("subscribe_graph_execution", {"graph_exec_id": str(team.execution.pk)})
        assert answer["error"] == "Graph execution not found"
        await in_db(report_node)(team.execution, node_id="seen", status="QUEUED")
        for client in (*members, *owners):
            assert (await client.frame())["data"]["node_id"] == "seen"

        def leave_and_work() -> None:
            team.member.groups.clear()
            for number in range(20):
                report_node(team.execution, node_id=f"secret{number}", status="QUEUED")

        await in_db(leave_and_work)()
        for client in members:
            assert (await client.frame())["error"] == REVOKED
            await client.ping()
        for client in owners:
            assert (await client.frames(20))[-1]["data"]["node_id"] == "secret19"
        await two.leave()
