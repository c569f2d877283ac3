"""Members who leave, and executions that change their team, while sockets are open."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from pytest_django import Settings

from executions.models import Graph, GraphExecution
from executions.services import report_node, start_execution
from realtime.hub.registry import hub_of_this_loop
from realtime.publishing import announcer
from realtime.revocation import review
from tests.database import in_db
from tests.executions.teams import TEAMS, Team, make_graph, make_team
from tests.realtime.hub.changes import report_nodes
from tests.realtime.revocation.conftest import QUICK_TURNS, SLOW_TURNS, is_live, queries_of_a_look
from tests.realtime.revocation.test_review import watch
from tests.waiting import until_in_loop

REVOKED = "Execution subscription access was revoked"


@pytest.fixture
def team(transactional_db: None, settings: Settings) -> Team:
    settings.EXECUTIONS = {**settings.EXECUTIONS, "ACCESS": TEAMS}
    return make_team()


def remove(team: Team) -> None:
    team.member.groups.remove(team.group)


LEAVES = {
    "user.groups.remove": remove,
    "user.groups.clear": lambda team: team.member.groups.clear(),
    "user.groups.set": lambda team: team.member.groups.set([]),
    "group.user_set.remove": lambda team: team.group.user_set.remove(team.member),
    "group.user_set.clear": lambda team: team.group.user_set.clear(),
    "group.user_set.set": lambda team: team.group.user_set.set([team.owner]),
    "group.delete": lambda team: team.group.delete(),
    "Group.objects.delete": lambda team: Group.objects.filter(pk=team.group.pk).delete(),
}


def save(team: Team, **how: Any) -> None:
    run = GraphExecution.objects.get(pk=team.execution.pk)
    run.team_id = None
    run.save(**how)


def bulk_update(team: Team) -> None:
    run = GraphExecution.objects.get(pk=team.execution.pk)
    run.team_id = "999"
    GraphExecution.objects.bulk_update([run], ["team_id"])


def stale_save(team: Team) -> None:
    """The instance was read before the execution got its team, so it shows no change."""
    GraphExecution.objects.filter(pk=team.execution.pk).update(team_id=None)
    stale = GraphExecution.objects.get(pk=team.execution.pk)
    GraphExecution.objects.filter(pk=team.execution.pk).update(team_id=str(team.group.pk))
    stale.save()


MOVES = {
    "save": save,
    "save of the field": lambda team: save(team, update_fields=["team_id"]),
    "save of a stale row": stale_save,
    "update": lambda team: GraphExecution.objects.update(team_id="999"),
    "bulk_update": bulk_update,
}


@pytest.mark.parametrize("end", [*LEAVES.values(), *MOVES.values()], ids=[*LEAVES, *MOVES])
@pytest.mark.usefixtures("notices_only")
async def test_nothing_that_follows_arrives_and_owners_go_on(person, team: Team, end, counted) -> None:
    base, numbered, owner = [await person(each) for each in (team.member, team.member, team.owner)]
    await watch(base.client, team.execution)
    await watch(numbered.client, team.execution, replay="none")
    await watch(owner.client, team.execution)

    def end_and_work() -> None:
        end(team)
        report_node(team.execution, node_id="secret", status="QUEUED")

    await in_db(end_and_work)()
    key = f"{team.owner.pk}|graph_exec#{team.execution.pk}"
    for client, channel in ((base.client, None), (numbered.client, key)):
        frame = await client.until(lambda frame: frame["method"] == "error")
        assert "secret" not in str(frame[:-1])
        assert (frame[-1]["error"], frame[-1]["channel"]) == (REVOKED, channel)
        await is_live(client, team.member)
    frames = await owner.client.until(lambda frame: frame["method"] == "node_execution_event")
    assert frames[-1]["data"]["node_id"] == "secret"
    await base.client.send("subscribe_graph_execution", {"graph_exec_id": str(team.execution.pk)})
    refused = await base.client.until(lambda frame: frame["method"] == "error")
    assert refused[-1]["error"] == "Graph execution not found"
    assert counted["revoked_subscriptions"] == 2


async def test_without_notices_the_next_turn_finds_it(person, team: Team, settings, monkeypatch) -> None:
    settings.REALTIME = QUICK_TURNS
    monkeypatch.setattr("realtime.publishing.announcer.announce_access", lambda *args, **fields: None)
    one, two = await person(team.member), await person(team.member)
    await watch(one.client, team.execution)
    own = await in_db(make_graph)(team.owner, team.group)
    assert (await two.client.ask("subscribe_graph_executions", {"graph_id": str(own.pk)}))["success"]
    await in_db(save)(team)
    frames = await one.client.until(lambda frame: frame["method"] == "error")
    assert frames[-1]["error"] == REVOKED
    await in_db(Graph.objects.update)(team_id=None)
    assert (await two.client.frame())["error"] == "Graph subscription access was revoked"


@pytest.mark.usefixtures("notices_only")
async def test_who_still_may_watch_misses_nothing(person, team: Team) -> None:
    """The execution moves from one team of the member to another."""
    one = await person(team.member)
    other = await in_db(Group.objects.create)(name="second")
    await in_db(team.member.groups.add)(other)
    await watch(one.client, team.execution, after=0, replay="none")

    def move_and_work() -> None:
        GraphExecution.objects.update(team_id=str(other.pk))
        report_nodes(team.execution, 5)

    await in_db(move_and_work)()
    frames = await one.client.until(lambda frame: (frame.get("data") or {}).get("node_id") == "n4")
    assert [frame["data"]["node_id"] for frame in frames if frame["method"] == "node_execution_event"] == [
        f"n{number}" for number in range(5)
    ]
    assert "error" not in [frame["method"] for frame in frames]


@pytest.mark.usefixtures("notices_only")
async def test_a_subscribe_that_is_under_way_asks_again(person, team: Team, monkeypatch) -> None:
    """Its access was found before the execution left the team, and the log was read after that."""
    one = await person(team.member)
    hub = hub_of_this_loop()
    real = hub.prepare_start

    async def slow(*args: Any) -> Any:
        start = await real(*args)
        seen = messages[0]
        await in_db(save)(team)
        await until_in_loop(lambda: messages[0] > seen)
        return start

    messages = [0]
    heard = hub.on_access_message

    def hear(message: dict[str, Any]) -> Any:
        answer = heard(message)
        messages[0] += 1
        return answer

    hub.on_access_message = hear
    monkeypatch.setattr(hub, "prepare_start", slow)
    answer = await one.client.ask("subscribe_graph_execution", {"graph_exec_id": str(team.execution.pk)})
    assert answer["error"] == "Graph execution not found"


@pytest.mark.usefixtures("notices_only")
async def test_a_notice_of_a_stream_disturbs_only_those_who_watch_it(person, team: Team, counted) -> None:
    await person(team.outsider)
    await in_db(save)(team)
    await until_in_loop(lambda: counted["access_notices"] == 1)
    assert not review.of(hub_of_this_loop())._doubts


async def test_the_checks_of_many_members_take_a_few_queries(person, team: Team, settings, monkeypatch) -> None:
    settings.REALTIME = SLOW_TURNS
    graphs = [await in_db(make_graph)(team.owner, team.group) for _ in range(3)]
    runs = [await in_db(start_execution)(graph, user=team.owner) for graph in graphs]
    for number in range(60):
        member = await in_db(User.objects.create)(username=f"member{number}")
        await in_db(member.groups.add)(team.group)
        client = (await person(member)).client
        for graph, run in zip(graphs, runs, strict=True):
            await watch(client, run)
            await client.ask("subscribe_graph_executions", {"graph_id": str(graph.pk)})
    queries = await queries_of_a_look(monkeypatch)
    # Users, sessions; executions, graphs: each the owners, the groups, and twice up to 50 members.
    assert len(queries) == 2 + 4 + 4


def test_the_messages_of_many_executions_are_few(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []
    monkeypatch.setattr(announcer, "announce_access", lambda type, **fields: sent.append(fields))
    rows = [GraphExecution(graph=team.graph, user=team.owner) for _ in range(500)]
    GraphExecution.objects.bulk_create(rows)
    assert GraphExecution.objects.update(team_id="999") == 501
    assert [len(each["streams"]) for each in sent] == [500, 1]
