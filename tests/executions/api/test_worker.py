"""A worker in any language reports over HTTP."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from executions.api.worker_tokens import create_token, revoke_token
from executions.models import Graph, GraphExecution, NodeExecution
from executions.services import start_execution
from realtime.models import Stream
from tests.executions.api.conftest import ApiClient, ok, refused


def row_of(run: str) -> GraphExecution:
    return GraphExecution.objects.get(pk=run.rsplit("/", 1)[1])


def test_a_worker_creates_a_run_for_a_user_and_completes_it(worker: ApiClient, graph: Graph, user: User) -> None:
    wanted = {"username": user.username, "graph_id": str(graph.pk), "inputs": {"text": "One."}, "preset_id": "p"}
    made = ok(worker.post("/worker/executions", wanted), 201)
    assert (made["status"], made["user_id"], made["runner"]) == ("QUEUED", str(user.pk), "worker:press")
    run = f"/worker/executions/{made['id']}"
    assert ok(worker.post(f"{run}/report", {"status": "RUNNING"}))["status"] == "RUNNING"
    node = ok(worker.post(f"{run}/nodes", {"node_id": "split", "block_id": "text.sentences", "status": "RUNNING"}))
    ok(worker.post(f"{run}/nodes/outputs", {"node_id": "split", "outputs": {"line": [1]}}))
    ok(worker.post(f"{run}/nodes/outputs", {"node_id": "split", "outputs": {"line": [2, 3], "other": [{}]}}))
    ended = ok(worker.post(f"{run}/nodes", {"node_id": "split", "status": "COMPLETED"}))
    assert (ended["id"], ended["output_data"]) == (node["id"], {"line": [1, 2, 3], "other": [{}]})
    report = {"status": "COMPLETED", "outputs": {"report": ["Done."]}, "stats": {"cost": 3, "own": True}}
    ok(worker.post(f"{run}/report", report))
    row = row_of(run)
    assert (row.status, row.outputs, row.inputs) == ("COMPLETED", {"report": ["Done."]}, {"text": "One."})
    assert row.stats is not None
    assert (row.stats["cost"], row.stats["own"], row.stats["error"]) == (3, True, None)


def test_a_failure_has_its_error(worker: ApiClient, run: str) -> None:
    ok(worker.post(f"{run}/report", {"status": "RUNNING"}))
    failed = ok(worker.post(f"{run}/report", {"status": "FAILED", "error": "No paper."}))
    assert failed["stats"]["error"] == "No paper."


def test_a_new_token_of_the_same_name_replaces_a_revoked_one(worker: ApiClient, run: str) -> None:
    revoke_token("press")
    refused(worker.post(f"{run}/report", {"status": "RUNNING"}), 401)
    ok(ApiClient(token=create_token("press")[1]).post(f"{run}/report", {"status": "RUNNING"}))


def test_an_execution_of_another_worker_is_not_found(run: str, graph: Graph, user: User, worker: ApiClient) -> None:
    other = ApiClient(token=create_token("other")[1])
    assert refused(other.post(f"{run}/report", {"status": "RUNNING"}), 404)["code"] == "not_found"
    embedded = start_execution(graph, user=user, runner="embedded")
    refused(worker.post(f"/worker/executions/{embedded.pk}/report", {"status": "RUNNING"}), 404)
    refused(worker.post("/worker/executions/no-id/report", {"status": "RUNNING"}), 404)


def test_any_worker_may_report_an_execution_without_a_runner(worker: ApiClient, graph: Graph, user: User) -> None:
    free = start_execution(graph, user=user)
    ok(worker.post(f"/worker/executions/{free.pk}/report", {"status": "RUNNING"}))


def test_a_worker_lists_its_queued_executions(worker: ApiClient, run: str, graph: Graph, user: User) -> None:
    meant = start_execution(graph, user=user, runner="worker:press")
    start_execution(graph, user=user, runner="embedded")
    found = ok(worker.get("/worker/executions?status=QUEUED"))["items"]
    assert [each["id"] for each in found] == [run.rsplit("/", 1)[1], str(meant.pk)]
    assert ok(worker.get("/worker/executions?status=RUNNING"))["items"] == []


def test_an_illegal_transition_is_a_conflict(worker: ApiClient, run: str) -> None:
    error = refused(worker.post(f"{run}/report", {"status": "COMPLETED"}), 409)
    assert (error["code"], error["path"]) == ("illegal_transition", "status")
    assert "COMPLETED may not follow QUEUED" in error["message"]
    ok(worker.post(f"{run}/report", {"status": "TERMINATED"}))
    late = refused(worker.post(f"{run}/nodes", {"node_id": "split", "status": "RUNNING"}), 409)
    assert late["code"] == "execution_has_ended"


def test_an_append_to_an_unknown_or_ended_node_is_refused(worker: ApiClient, run: str) -> None:
    more = {"node_id": "split", "outputs": {"line": [1]}}
    assert refused(worker.post(f"{run}/nodes/outputs", more), 404)["path"] == "node_id"
    for status in ("RUNNING", "COMPLETED"):
        ok(worker.post(f"{run}/nodes", {"node_id": "split", "status": status}))
    assert refused(worker.post(f"{run}/nodes/outputs", more), 409)["code"] == "node_has_ended"


def test_the_id_of_another_node_is_refused(worker: ApiClient, run: str) -> None:
    first = ok(worker.post(f"{run}/nodes", {"node_id": "split", "status": "RUNNING"}))
    report = {"node_id": "rank", "status": "RUNNING", "node_exec_id": first["id"]}
    assert refused(worker.post(f"{run}/nodes", report), 422)["path"] == "node_exec_id"


@pytest.mark.parametrize(
    ("change", "status", "path"),
    [
        ({"graph_id": str(uuid4())}, 404, "graph_id"),
        ({"graph_id": "x"}, 422, "graph_id"),
        ({"user_id": "999999"}, 404, "graph_id"),
        ({"user_id": "9" * 200}, 404, "graph_id"),
        ({"user_id": None, "username": "nobody"}, 404, "graph_id"),
        ({"user_id": None}, 422, None),
        ({"lease_seconds": 0}, 422, "lease_seconds"),
        ({"colour": "red"}, 422, "colour"),
        ({"inputs": {"a": {"b": ["\x00"]}}}, 422, "inputs.a.b[0]"),
        ({"inputs": {"a": "\ud800"}}, 422, "inputs.a"),
        ({"inputs": {"a": float("nan")}}, 422, "inputs.a"),
        ({"inputs": []}, 422, "inputs"),
    ],
)
def test_an_invalid_new_execution_names_the_path_of_the_error(
    worker: ApiClient, graph: Graph, user: User, change: dict[str, Any], status: int, path: str | None
) -> None:
    wanted = {"user_id": str(user.pk), "graph_id": str(graph.pk), **change}
    assert refused(worker.post("/worker/executions", wanted), status)["path"] == path


def reports_of(run: str, *reports: dict[str, Any]) -> dict[str, Any]:
    return {"reports": [{"execution_id": run.rsplit("/", 1)[1], **report} for report in reports]}


def test_a_batch_is_recorded_in_order(worker: ApiClient, run: str) -> None:
    batch = reports_of(
        run,
        {"type": "execution", "status": "RUNNING"},
        {"type": "node", "node_id": "split", "status": "RUNNING"},
        {"type": "append", "node_id": "split", "outputs": {"line": ["a"]}},
        {"type": "append", "node_id": "split", "outputs": {"line": ["b"]}},
        {"type": "node", "node_id": "split", "status": "COMPLETED"},
        {"type": "execution", "status": "COMPLETED"},
    )
    assert ok(worker.post("/worker/reports", batch)) == {"recorded": 6}
    assert row_of(run).status == "COMPLETED"
    assert NodeExecution.objects.get().output_data == {"line": ["a", "b"]}


def test_a_batch_is_atomic_and_names_the_refused_report(worker: ApiClient, run: str) -> None:
    batch = reports_of(
        run,
        {"type": "execution", "status": "RUNNING"},
        {"type": "node", "node_id": "split", "status": "COMPLETED"},
        {"type": "execution", "status": "REVIEW"},
        {"type": "execution", "status": "COMPLETED"},
    )
    assert refused(worker.post("/worker/reports", batch), 409)["path"] == "reports[3].status"
    assert row_of(run).status == "QUEUED"
    assert not NodeExecution.objects.exists()
    lost = {"reports": [{"type": "execution", "execution_id": str(uuid4()), "status": "RUNNING"}]}
    assert refused(worker.post("/worker/reports", lost), 404)["path"] == "reports[0].execution_id"
    unknown = reports_of(run, {"type": "song"})
    assert refused(worker.post("/worker/reports", unknown), 422)["path"] == "reports[0]"
    assert refused(worker.post("/worker/reports", {"reports": []}), 422)["path"] == "reports"


AN_ID = "11111111-1111-4111-8111-111111111111"


@pytest.mark.parametrize(
    ("report", "status", "code", "path"),
    [
        ({"type": "node", "node_id": "split", "status": "QUEUED"}, 409, "illegal_transition", "reports[3].status"),
        ({"type": "execution", "status": "QUEUED"}, 409, "illegal_transition", "reports[3].status"),
        ({"type": "append", "node_id": "done", "outputs": {"a": [1]}}, 409, "node_has_ended", "reports[3]"),
        ({"type": "append", "node_id": "new", "outputs": {"a": [1]}}, 404, "not_found", "reports[3].node_id"),
        (
            {"type": "append", "node_id": "done", "outputs": {"a": [1]}, "node_exec_id": AN_ID},
            422,
            "invalid",
            "reports[3].node_exec_id",
        ),
        (
            {"type": "node", "node_id": "split", "status": "RUNNING", "output_data": {"a": ["\0"]}},
            422,
            "unstorable",
            "reports[3].output_data.a[0]",
        ),
        ({"type": "node", "node_id": "\0", "status": "RUNNING"}, 422, "unstorable", "reports[3].node_id"),
        (
            {"type": "node", "node_id": "split", "status": "RUNNING", "output_data": {"a": ["x" * 1_000_001]}},
            413,
            "event_too_large",
            None,
        ),
    ],
)
def test_a_batch_gives_the_same_errors_as_a_single_report(
    worker: ApiClient, run: str, report: dict[str, Any], status: int, code: str, path: str | None
) -> None:
    batch = reports_of(
        run,
        {"type": "execution", "status": "RUNNING"},
        {"type": "node", "node_id": "split", "status": "RUNNING", "node_exec_id": AN_ID},
        {"type": "node", "node_id": "done", "status": "TERMINATED"},
        report,
        {"type": "execution", "status": "COMPLETED"},
    )
    error = refused(worker.post("/worker/reports", batch), status)
    assert (error["code"], error["path"]) == (code, path)
    assert row_of(run).status == "QUEUED"
    node = {"type": "node", "node_id": "split", "status": "RUNNING"}
    ended = reports_of(run, {"type": "execution", "status": "TERMINATED"}, node)
    error = refused(worker.post("/worker/reports", ended), 409)
    assert (error["code"], error["path"]) == ("execution_has_ended", "reports[1]")


@pytest.mark.django_db(transaction=True)
def test_a_batch_of_a_thousand_reports_is_numbered_once_for_each_stream(worker: ApiClient, run: str) -> None:
    reports = [{"type": "node", "node_id": f"n{index % 100}", "status": "RUNNING"} for index in range(999)]
    batch = reports_of(run, {"type": "execution", "status": "RUNNING"}, *reports)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        ok(worker.post("/worker/reports", batch))
    passes = [each["sql"] for each in queries if "row_number() OVER" in each["sql"]]
    heads = dict(Stream.objects.values_list("key", "head"))
    execution = row_of(run)
    assert heads[f"{execution.user_id}|graph_exec#{execution.pk}"] == 1_001
    assert len(passes) <= 5, "500 events are numbered at once, and there are two streams"
    too_many = reports_of(run, *[{"type": "execution", "status": "RUNNING"}] * 1_001)
    assert refused(worker.post("/worker/reports", too_many), 422)["code"] == "too_many"


def test_an_event_above_the_size_limit_is_refused(worker: ApiClient, run: str) -> None:
    answer = worker.post(f"{run}/report", {"status": "RUNNING", "outputs": {"a": ["x" * 1_000_001]}})
    assert refused(answer, 413)["code"] == "event_too_large"
    assert row_of(run).status == "QUEUED"


def test_a_worker_says_where_a_run_comes_from(worker: ApiClient, graph: Graph, user: User) -> None:
    options = {"organization_id": "org-1", "team_id": "team-1", "schedule_id": "s", "credential_inputs": {"a": {}}}
    wanted = {"username": user.username, "graph_id": str(graph.pk), "inputs": {"text": "One."}, **options}
    row = row_of(f"/{ok(worker.post('/worker/executions', wanted), 201)['id']}")
    assert {name: getattr(row, name) for name in options} == options
    refused(worker.post("/worker/executions", {**wanted, "team_id": 7}), 422)
