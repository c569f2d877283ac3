"""Start, list, terminate, rerun and delete executions over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone

from executions.models import Graph, GraphExecution, NodeExecution
from executions.services import finish_execution, report_execution, start_execution
from tests.executions.api.conftest import ApiClient, client_of, ok, refused

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_a_run_is_started_listed_terminated_rerun_and_deleted(person: ApiClient, graph: Graph) -> None:
    made = ok(person.post("/executions", {"graph_id": str(graph.pk), "inputs": {"text": "One. Two."}}), 201)
    assert (made["status"], made["runner"], made["graph_version"]) == ("QUEUED", "embedded", 1)
    path = f"/executions/{made['id']}"
    assert refused(person.delete(path), 409)["code"] == "execution_has_not_ended"
    assert ok(person.post(f"{path}/terminate"))["status"] == "TERMINATED"
    assert ok(person.post(f"{path}/terminate"))["status"] == "TERMINATED"
    again = ok(person.post(f"{path}/rerun"), 201)
    assert again["id"] != made["id"]
    assert GraphExecution.objects.get(pk=again["id"]).inputs == {"text": "One. Two."}
    assert [each["id"] for each in ok(person.get("/executions"))["items"]] == [again["id"], made["id"]]
    ok(person.delete(path), 204)
    refused(person.get(path), 404)


def test_a_rerun_of_a_claimed_run_is_open_to_any_process(person: ApiClient, graph: Graph, user: User) -> None:
    old = start_execution(graph, user=user, inputs={}, runner=f"embedded:{uuid4()}")
    assert ok(person.post(f"/executions/{old.pk}/rerun"), 201)["runner"] == "embedded"


def test_an_ended_run_cannot_be_terminated(person: ApiClient, execution: GraphExecution) -> None:
    report_execution(execution, status="RUNNING")
    finish_execution(execution)
    error = refused(person.post(f"/executions/{execution.pk}/terminate"), 409)
    assert (error["code"], error["path"]) == ("illegal_transition", "status")


@pytest.mark.parametrize(
    ("change", "status", "path"),
    [
        ({"graph_id": str(uuid4())}, 404, "graph_id"),
        ({"graph_id": 7}, 422, "graph_id"),
        ({"inputs": {}}, 422, "inputs.text"),
        ({"inputs": {"text": "a", "txet": "b"}}, 422, "inputs.txet"),
        ({"runner": "somebody"}, 422, "runner"),
        ({"preset_id": "x" * 256}, 422, "preset_id"),
    ],
)
def test_an_invalid_start_names_the_path_of_the_error(
    person: ApiClient, graph: Graph, change: dict[str, Any], status: int, path: str
) -> None:
    wanted = {"graph_id": str(graph.pk), "inputs": {"text": "One."}, **change}
    assert refused(person.post("/executions", wanted), status)["path"] == path


def test_a_run_may_be_started_for_a_worker(person: ApiClient, graph: Graph) -> None:
    wanted = {"graph_id": str(graph.pk), "inputs": {"anything": 1}, "runner": "worker:press"}
    assert ok(person.post("/executions", wanted), 201)["runner"] == "worker:press"


def test_an_execution_of_another_user_is_not_found(stranger: ApiClient, execution: GraphExecution) -> None:
    path = f"/executions/{execution.pk}"
    for answer in (
        *(stranger.get(path), stranger.get(f"{path}/nodes"), stranger.delete(path)),
        *(stranger.post(f"{path}/terminate"), stranger.post(f"{path}/rerun"), stranger.get(f"{path}/events")),
        *(stranger.get(f"/executions/{uuid4()}"), stranger.get("/executions/none"), stranger.get("/executions/%00")),
    ):
        refused(answer, 404)
    assert ok(stranger.get("/executions"))["items"] == []


def test_staff_with_only_view_permission_cannot_stop_an_execution(execution: GraphExecution, other_user: User) -> None:
    other_user.is_staff = True
    other_user.save()
    other_user.user_permissions.add(Permission.objects.get(codename="view_graphexecution"))
    staff = client_of(other_user)
    ok(staff.get(f"/executions/{execution.pk}"))
    refused(staff.post(f"/executions/{execution.pk}/terminate"), 403)
    refused(staff.post(f"/executions/{execution.pk}/rerun"), 403)
    refused(staff.delete(f"/executions/{execution.pk}"), 403)


def test_the_list_is_filtered_by_graph_status_and_time(person: ApiClient, graph: Graph, user: User) -> None:
    other = Graph.objects.create(owner=user, name="Other", nodes=graph.nodes)
    rows = [
        GraphExecution.objects.create(
            graph=graph if index % 2 else other, user=user, created_at=NOON + timedelta(hours=index)
        )
        for index in range(4)
    ]
    report_execution(rows[3], status="RUNNING")

    def found(query: str) -> list[int]:
        ids = [each["id"] for each in ok(person.get(f"/executions?{query}"))["items"]]
        return [next(i for i, row in enumerate(rows) if str(row.pk) == each) for each in ids]

    assert found(f"graph_id={other.pk}") == [2, 0]
    assert found("status=RUNNING") == [3]
    assert found(
        f"created_after={quote((NOON + timedelta(hours=1)).isoformat())}&created_before=2026-05-01T15:00Z"
    ) == [
        2,
        1,
    ]
    assert found(f"graph_id={uuid4()}") == []


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=201", "limit=x", "limit=1e400", "cursor=x", "cursor=%00", "status=RUN", "graph_id=1"),
        *("cursor=MjAyNi0wMS0wMQ", "created_after=yesterday", "created_after=0001-01-01T00:00:00%2B14:00"),
    ],
)
def test_an_invalid_query_names_the_path_of_the_error(person: ApiClient, query: str) -> None:
    assert refused(person.get(f"/executions?{query}"), 422)["path"] == query.split("=")[0]


def test_nodes_of_all_attempts_are_listed_oldest_first(person: ApiClient, execution: GraphExecution) -> None:
    for index in range(3):
        NodeExecution.objects.create(graph_execution=execution, node_id=f"n{index}", attempt=1 + index % 2)
    first = ok(person.get(f"/executions/{execution.pk}/nodes?limit=2"))
    rest = ok(person.get(f"/executions/{execution.pk}/nodes?cursor={first['next_cursor']}"))
    assert [each["node_id"] for each in first["items"] + rest["items"]] == ["n0", "n1", "n2"]
    assert rest["next_cursor"] is None


# Options of a start

TOKEN = "a-token_of-twenty-two-"
OPTIONS = {
    "credential_inputs": {"key": {"id": "c", "provider": "p", "type": "api_key", "title": None}},
    "nodes_input_masks": {"split": {"text": "y"}},
    "is_shared": True,
    "share_token": TOKEN,
    "share_expires_at": timezone.now() + timedelta(days=2),
    "expert_id": "e",
    "trigger_source": "schedule",
    "trigger_ref": "r",
    "schedule_id": "s",
    "webhook_id": "w",
}


def test_a_run_is_started_with_options_and_a_rerun_keeps_those_that_make_it_the_same(
    person: ApiClient, graph: Graph
) -> None:
    end = OPTIONS["share_expires_at"].isoformat()
    wanted = {"graph_id": str(graph.pk), "inputs": {"text": "One."}, **OPTIONS, "share_expires_at": end}
    made = ok(person.post("/executions", wanted), 201)
    row = GraphExecution.objects.get(pk=made["id"])
    assert {name: getattr(row, name) for name in OPTIONS} == OPTIONS
    shown = {"is_shared", "expert_id", "trigger_source", "trigger_ref", "schedule_id", "webhook_id"}
    assert {name: made[name] for name in shown} == {name: OPTIONS[name] for name in shown}
    assert not {"credential_inputs", "share_token"} & set(made)
    again = GraphExecution.objects.get(pk=ok(person.post(f"/executions/{made['id']}/rerun"), 201)["id"])
    kept = {name: value for name, value in OPTIONS.items() if getattr(again, name) == value}
    assert kept == {name: OPTIONS[name] for name in ("credential_inputs", "nodes_input_masks", "expert_id")}
    assert (again.is_shared, again.share_token) == (False, None)


@pytest.mark.parametrize(
    ("change", "status", "path"),
    [
        ({"is_shared": True, "share_token": "short"}, 422, "share_token"),
        ({"is_shared": True, "share_token": f"{TOKEN}\n"}, 422, "share_token"),
        ({"is_shared": True, "share_token": TOKEN + "/"}, 422, "share_token"),
        ({"is_shared": True, "share_token": "x" * 256}, 422, "share_token"),
        ({"share_token": TOKEN}, 422, None),
        ({"share_expires_at": "2099-01-01T00:00:00Z"}, 422, "share_expires_at"),
        ({"is_shared": True, "share_expires_at": "2020-01-01T00:00:00Z"}, 422, "share_expires_at"),
        ({"is_shared": "perhaps"}, 422, "is_shared"),
        ({"credential_inputs": []}, 422, "credential_inputs"),
        ({"credential_inputs": {"a": "\0"}}, 422, "credential_inputs.a"),
        ({"nodes_input_masks": {"split": 1}}, 422, "nodes_input_masks.split"),
        ({"schedule_id": ""}, 422, "schedule_id"),
        ({"webhook_id": "x" * 256}, 422, "webhook_id"),
        ({"trigger_source": "a\0"}, 422, "trigger_source"),
        ({"organization_id": "org-1"}, 422, "organization_id"),
        ({"team_id": "team-1"}, 422, "team_id"),
    ],
)
def test_an_invalid_option_is_refused(
    person: ApiClient, graph: Graph, change: dict[str, Any], status: int, path: str | None
) -> None:
    wanted = {"graph_id": str(graph.pk), "inputs": {"text": "One."}, **change}
    assert refused(person.post("/executions", wanted), status)["path"] == path
    assert not GraphExecution.objects.exists()


def test_a_run_is_shared_and_no_longer(person: ApiClient, execution: GraphExecution, graph: Graph, user: User) -> None:
    path = f"/executions/{execution.pk}/sharing"
    made = ok(person.put(path, {"is_shared": True}))
    assert made["is_shared"]
    assert len(made["share_token"]) > 40
    wanted = {"is_shared": True, "share_token": TOKEN, "expires_at": "2026-01-02T00:00:00Z"}
    refusal = refused(person.put(path, wanted), 422)
    assert (refusal["path"], refusal["message"]) == ("expires_at", "expires_at: a link ends in the future")
    tomorrow = (timezone.now() + timedelta(days=1)).replace(microsecond=0)
    made = ok(person.put(path, wanted | {"expires_at": tomorrow.isoformat()}))
    assert datetime.fromisoformat(made.pop("expires_at")) == tomorrow
    assert made == {"is_shared": True, "share_token": TOKEN}
    other = start_execution(graph, user=user)
    taken = refused(person.put(f"/executions/{other.pk}/sharing", {"is_shared": True, "share_token": TOKEN}), 409)
    assert (taken["code"], taken["path"]) == ("share_token_taken", "share_token")
    wanted = {"graph_id": str(graph.pk), "inputs": {"text": "One."}, "is_shared": True, "share_token": TOKEN}
    assert refused(person.post("/executions", wanted), 409)["code"] == "share_token_taken"
    refused(person.put(path, {"is_shared": False, "share_token": TOKEN}), 422)
    refused(person.put(path, {"is_shared": False, "expires_at": tomorrow.isoformat()}), 422)
    assert ok(person.put(path, {"is_shared": False})) == {"is_shared": False, "share_token": None, "expires_at": None}


def test_only_those_who_may_change_a_run_may_share_it(execution: GraphExecution, other_user: User) -> None:
    path = f"/executions/{execution.pk}/sharing"
    refused(client_of(other_user).put(path, {"is_shared": True}), 404)
    other_user.is_staff = True
    other_user.save()
    other_user.user_permissions.set(Permission.objects.filter(codename="view_graphexecution"))
    refused(client_of(other_user).put(path, {"is_shared": True}), 403)
    assert not GraphExecution.objects.get().is_shared
