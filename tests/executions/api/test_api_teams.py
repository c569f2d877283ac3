"""With teams: what a member may do with each operation, and that for others nothing exists, whatever they ask."""

from typing import Any
from uuid import uuid4

import pytest

from config.api import api
from executions.api.worker_tokens import create_token
from executions.models import Graph, GraphExecution
from executions.services import notify_user, report_node, start_execution
from tests.executions.api.conftest import ApiClient, client_of, ok, refused
from tests.executions.teams import Team, make_graph, team

__all__ = ["team"]

WANTED = {"name": "Mine now", "nodes": [{"id": "split", "block_id": "text.sentences"}]}
Send = tuple[str, str, Any]  # method, path and body; ID is the id of a graph, an execution or a notification

BY_ID: dict[str, Send] = {
    "read_graph": ("GET", "/graphs/ID", None),
    "change_graph": ("PUT", "/graphs/ID", WANTED),
    "delete_graph": ("DELETE", "/graphs/ID", None),
    "read_graph_events": ("GET", "/graphs/ID/events", None),
    "start_execution": ("POST", "/executions", {"graph_id": "ID", "inputs": {"text": "One."}}),
    "read_execution": ("GET", "/executions/ID", None),
    "read_execution_events": ("GET", "/executions/ID/events", None),
    "list_nodes": ("GET", "/executions/ID/nodes", None),
    "terminate_execution": ("POST", "/executions/ID/terminate", None),
    "rerun_execution": ("POST", "/executions/ID/rerun", None),
    "share_execution": ("PUT", "/executions/ID/sharing", {"is_shared": True}),
    "delete_execution": ("DELETE", "/executions/ID", None),
    "mark_notification_read": ("POST", "/notifications/ID/read", None),
}
OF_WORKERS: dict[str, Send] = {
    "worker_create_execution": ("POST", "/worker/executions", {"username": "outsider", "graph_id": "ID"}),
    "worker_report_execution": ("POST", "/worker/executions/ID/report", {"status": "RUNNING"}),
    "worker_report_node": ("POST", "/worker/executions/ID/nodes", {"node_id": "split", "status": "RUNNING"}),
    "worker_append_outputs": ("POST", "/worker/executions/ID/nodes/outputs", {"node_id": "n", "outputs": {"a": [1]}}),
    "worker_heartbeat": ("POST", "/worker/executions/ID/heartbeat", None),
    "worker_report_batch": (
        *("POST", "/worker/reports"),
        {"reports": [{"type": "node", "execution_id": "ID", "node_id": "split", "status": "RUNNING"}]},
    ),
}
LISTS = {
    "list_graphs": "/graphs",
    "list_executions": "/executions",
    "list_notifications": "/notifications",
    "read_notification_events": "/notifications/events",
    "worker_list_executions": "/worker/executions",
}
OWN_ONLY = {
    "create_graph": "tests/executions/api/test_graphs_teams.py",
    "count_unread": "counts notifications, which belong to one user",
    "mark_all_notifications_read": "likewise",
    "get_socket_token": "for the user himself",
    "refresh_socket_token": "likewise",
}


def send(client: ApiClient, what: Send, id: Any) -> tuple[int, bytes]:
    """Status and body of the answer, without the id."""

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: filled(each) for name, each in value.items()}
        if isinstance(value, list):
            return [filled(each) for each in value]
        return str(id) if value == "ID" else value

    method, path, body = what
    answer = client.send(method, path.replace("ID", str(id)), filled(body))
    return answer.status_code, answer.content.replace(str(id).encode(), b"ID")


@pytest.fixture
def ids(team: Team) -> list[Any]:
    """What the team has."""
    report_node(team.execution, node_id="split", status="COMPLETED", output_data={"sentences": [["secret"]]})
    return [team.graph.pk, team.execution.pk, notify_user(team.owner, type="info", event="secret").pk]


def test_the_tables_above_have_every_operation() -> None:
    schema = api.get_openapi_schema(path_prefix="/api/")
    operations = {each["operationId"] for path in schema["paths"].values() for each in path.values()}
    assert operations == BY_ID.keys() | OF_WORKERS.keys() | LISTS.keys() | OWN_ONLY.keys()


def state() -> list[Any]:
    return [*GraphExecution.objects.order_by("pk").values(), *Graph.objects.order_by("pk").values()]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("operation", BY_ID)
def test_for_somebody_of_another_team_nothing_exists(team: Team, ids: list[Any], operation: str) -> None:
    outsider, before = client_of(team.outsider), state()
    nothing = send(outsider, BY_ID[operation], uuid4())
    assert nothing[0] == 404
    for id in ids:
        assert send(outsider, BY_ID[operation], id) == nothing
    assert state() == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("operation", OF_WORKERS)
def test_for_a_worker_of_somebody_of_another_team_nothing_exists(team: Team, ids: list[Any], operation: str) -> None:
    for name, scope in {"user": {"users": [team.outsider]}, "graph": {"graphs": [make_graph(team.outsider)]}}.items():
        before = state()
        worker = ApiClient(token=create_token(name, **scope)[1])
        nothing = send(worker, OF_WORKERS[operation], uuid4())
        assert nothing[0] == 404
        for id in ids:
            assert send(worker, OF_WORKERS[operation], id) == nothing
        assert state() == before


@pytest.mark.parametrize("operation", LISTS)
@pytest.mark.usefixtures("ids")
def test_the_lists_of_somebody_of_another_team_are_empty(team: Team, operation: str) -> None:
    path = LISTS[operation]
    client = client_of(team.outsider)
    if operation == "worker_list_executions":
        client = ApiClient(token=create_token("press", users=[team.outsider])[1])
    answer = ok(client.get(path))
    assert answer.get("items", answer.get("events")) == []
    for more in ("graph_id", "status"):
        if operation == "list_executions":
            value = {"graph_id": team.graph.pk, "status": "QUEUED"}[more]
            assert ok(client.get(f"{path}?{more}={value}"))["items"] == []


def test_a_member_reads_what_his_team_has_and_starts_its_graphs(team: Team, ids: list[Any]) -> None:
    member = client_of(team.member)
    graph, run = f"/graphs/{team.graph.pk}", f"/executions/{team.execution.pk}"
    assert ok(member.get(graph))["team_id"] == str(team.group.pk)
    assert [each["id"] for each in ok(member.get("/graphs"))["items"]] == [str(team.graph.pk)]
    assert [each["id"] for each in ok(member.get("/executions"))["items"]] == [str(team.execution.pk)]
    assert ok(member.get(run))["team_id"] == str(team.group.pk)
    assert len(ok(member.get(f"{run}/nodes"))["items"]) == 1
    assert len(ok(member.get(f"{run}/events"))["events"]) == 2
    for operation, id in (
        *(("change_graph", team.graph.pk), ("delete_graph", team.graph.pk), ("terminate_execution", team.execution.pk)),
        *(("rerun_execution", team.execution.pk), ("share_execution", team.execution.pk)),
        ("delete_execution", team.execution.pk),
    ):
        assert send(member, BY_ID[operation], id)[0] == 403, operation
    started = ok(member.post("/executions", {"graph_id": str(team.graph.pk), "inputs": {"text": "One."}}), 201)
    assert (started["user_id"], started["team_id"]) == (str(team.member.pk), str(team.group.pk))
    assert len(ok(client_of(team.owner).get("/executions"))["items"]) == 2
    assert ok(member.get(f"{graph}/events"))["events"] != []
    refused(member.post(f"/notifications/{ids[2]}/read"), 404)


def test_a_run_may_leave_its_team_and_its_graph_stays(team: Team) -> None:
    outside = start_execution(team.graph, user=team.owner, team_id=None)
    member = client_of(team.member)
    refused(member.get(f"/executions/{outside.pk}"), 404)
    assert len(ok(member.get("/executions"))["items"]) == 1
