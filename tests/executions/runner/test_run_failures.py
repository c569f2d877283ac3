"""Failures in a run: bad input, failing blocks, a failing database, faults of the runner."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from pytest_django import Settings

from executions.models import NodeExecution
from executions.runner import run as run_module
from executions.runner.process_pool import ProcessPool
from executions.samples import CODEBASE_CENSUS, CSV_PROFILE, Sample, make_sample, make_text_insight
from executions.services import start_execution
from executions.statuses import ExecutionStatus
from tests.executions.runner.runs import claim, node_of, running, start

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quick")]

CONTROL = "\x01"  # six bytes in JSON


@pytest.mark.parametrize(
    ("sample", "inputs", "error"),
    [
        (CODEBASE_CENSUS, {"folder": "/etc"}, "A path goes down from the project's folder"),
        (CODEBASE_CENSUS, {"folder": "../.."}, "A path goes down from the project's folder"),
        (CODEBASE_CENSUS, {"folder": 3}, "folder: input should be a valid string"),
        (CSV_PROFILE, {"csv": "a,b\n"}, "There is a header and no row."),
        (CSV_PROFILE, {"csv": "a,b\n" + f"{CONTROL * 100},1\n" * 850}, "What it returned cannot be recorded."),
    ],
)
def test_bad_input_fails_the_first_node_with_a_clear_error(
    user: User, pool: ProcessPool, sample: Sample, inputs: dict[str, Any], error: str
) -> None:
    graph, _ = make_sample(sample, user)
    execution = start_execution(graph, user=user, inputs=inputs, runner="embedded")

    claim(pool).go()

    execution.refresh_from_db()
    first = NodeExecution.objects.get(graph_execution=execution, node_id=graph.nodes[0]["id"])
    assert (execution.status, first.status) == ("FAILED", "FAILED")
    assert error in first.output_data["error"][0]
    assert error in execution.stats["error"]


def test_a_failed_node_fails_the_run_and_terminates_the_nodes_after_it(
    user: User, pool: ProcessPool, events: list[tuple[str, str]]
) -> None:
    execution = start(
        user,
        {"good": "test.echo", "bad": "test.refuse", "next": "test.one", "last": "test.one", "after good": "test.echo"},
        "bad.value → next.value",
        "next.value → last.value",
        "good.value → after good.value",
        value="v",
    )

    claim(pool).go()

    execution.refresh_from_db()
    assert execution.status == ExecutionStatus.FAILED
    assert execution.stats
    assert execution.stats["error"] == "bad: There is nothing to do here."
    assert (execution.stats["node_exec_count"], execution.stats["node_error_count"]) == (3, 1)
    assert execution.outputs == {"value": ["v"]}
    bad, after = node_of(execution, "bad"), node_of(execution, "after good")
    assert (bad.status, bad.output_data) == ("FAILED", {"error": ["There is nothing to do here."]})
    assert after.status == "COMPLETED"
    for node_id in ("next", "last"):
        node = node_of(execution, node_id)
        assert (node.status, node.output_data) == ("TERMINATED", {"error": ["Not run, since “bad” failed."]})
        assert node.start_time is None
        assert node.end_time
    assert events[-1] == ("run", "FAILED")


def test_an_empty_text_fails_its_node(user: User, pool: ProcessPool) -> None:
    graph, _ = make_text_insight(user)
    execution = start_execution(graph, user=user, inputs={"text": " "}, runner="embedded")

    claim(pool).go()

    execution.refresh_from_db()
    assert execution.status == ExecutionStatus.FAILED
    assert node_of(execution, "prose").output_data == {"error": ["The text is empty."]}
    assert execution.stats
    assert execution.stats["error"] == "Prose: The text is empty."
    assert execution.node_executions.filter(status="TERMINATED").count() == 5


@pytest.mark.parametrize(
    ("block", "inputs", "error"),
    [
        ("test.raise", {"value": None}, "ZeroDivisionError: oh <b>"),
        ("test.die", {"value": None}, "Its process ended with code 3 before the block was done."),
        ("test.one", {"value": 3}, "value: input should be a valid string"),
        ("test.one", {}, "value: it is missing"),
        ("no.such.block", {}, 'There is no block "no.such.block".'),
        ("test.return", {"value": "not a number"}, "What it returned cannot be recorded. "),
        ("test.return", {"value": "NUL"}, "What it returned cannot be recorded. "),
        ("test.return", {"value": "more than an event"}, "What it returned cannot be recorded. "),
    ],
)
def test_a_fault_in_a_node_is_recorded_as_its_error(
    user: User, pool: ProcessPool, block: str, inputs: dict[str, Any], error: str
) -> None:
    execution = start(user, {"a": block}, **inputs)

    claim(pool).go()

    execution.refresh_from_db()
    node = node_of(execution, "a")
    assert (execution.status, node.status) == ("FAILED", "FAILED")
    (message,) = node.output_data["error"]
    assert message.startswith(error)
    assert execution.stats
    assert execution.stats["error"] == f"a: {message}"


def test_a_node_has_a_time_limit(user: User, pool: ProcessPool, settings: Settings) -> None:
    settings.EXECUTIONS = {"NODE_TIMEOUT": 0.2}
    execution = start(user, {"a": "test.spin"})

    claim(pool).go()

    assert node_of(execution, "a").output_data == {"error": ["It took longer than 0.2 s and was stopped."]}


def test_an_input_that_no_node_takes_fails_the_run(user: User, pool: ProcessPool) -> None:
    execution = start(user, {"a": "test.echo"}, value=1, colour="red")

    claim(pool).go()

    execution.refresh_from_db()
    assert execution.status == ExecutionStatus.FAILED
    assert execution.stats
    assert execution.stats["error"] == "No node of the graph takes the input 'colour'."
    assert not execution.node_executions.exists()


def test_a_definition_that_cannot_be_run_fails_the_run(user: User, pool: ProcessPool) -> None:
    execution = start(user, {"a": "test.echo"})
    execution.definition = {"nodes": [{"id": "a"}], "links": None, "colour": "red"}
    execution.save()

    claim(pool).go()

    execution.refresh_from_db()
    assert execution.stats
    assert execution.stats["error"] == (
        "The graph cannot be run. nodes[0].block_id: it is missing; links: input should be a valid list; "
        "colour: there is no such field"
    )


def test_an_invalid_mask_fails_its_node(user: User, pool: ProcessPool) -> None:
    execution = start(user, {"a": "test.echo"})
    execution.nodes_input_masks = {"a": "a mask"}
    execution.save()

    claim(pool).go()

    assert node_of(execution, "a").output_data == {"error": ["What `nodes_input_masks` says of it is not an object."]}


def test_outputs_larger_than_an_event_fail_the_run(user: User, pool: ProcessPool) -> None:
    execution = start(user, {"a": "test.echo", "b": "test.echo"}, value="x" * 400_000)
    report = "The outputs of the run cannot be recorded. "

    claim(pool).go()

    execution.refresh_from_db()
    assert execution.status == ExecutionStatus.FAILED
    assert execution.stats
    assert execution.stats["error"].startswith(report)


def test_node_ids_may_hold_any_text(user: User, pool: ProcessPool) -> None:
    ids = ["<script>alert(1)</script>", "{0.__class__}", "../../etc/passwd", "'; DROP TABLE x; --", "🙂", "%s%n", "run"]
    execution = start(user, dict.fromkeys(ids, "test.raise"))

    claim(pool).go()

    assert set(execution.node_executions.values_list("node_id", flat=True)) == set(ids)
    assert set(execution.node_executions.values_list("status", flat=True)) == {"FAILED"}
    execution.refresh_from_db()
    assert execution.stats
    assert execution.stats["error"].endswith("And 4 more.")


def test_a_short_database_failure_loses_nothing(
    user: User, pool: ProcessPool, monkeypatch: pytest.MonkeyPatch, events: list[tuple[str, str]]
) -> None:
    failures = [OperationalError("the connection is lost"), OperationalError("and once more")]
    real = run_module.report_node

    def report_node(*args: Any, **kwargs: Any) -> NodeExecution:
        node = real(*args, **kwargs)
        if kwargs["status"] == "COMPLETED" and failures:
            raise failures.pop()  # after the write, before the commit
        return node

    monkeypatch.setattr(run_module, "report_node", report_node)
    execution = start(user, {"a": "test.echo"}, value=1)

    claim(pool).go()

    execution.refresh_from_db()
    assert not failures
    assert execution.status == ExecutionStatus.COMPLETED
    assert node_of(execution, "a").output_data == {"value": [1]}


def test_a_fault_of_the_runner_fails_the_run(
    user: User, pool: ProcessPool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_outputs(self: Any) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(run_module.Schedule, "outputs", no_outputs)
    execution = start(user, {"a": "test.echo"}, value=1)

    claim(pool).go()

    execution.refresh_from_db()
    assert execution.status == ExecutionStatus.FAILED
    assert execution.stats
    assert execution.stats["error"] == "The embedded runner failed; its log says why."
    assert "a fault" in caplog.text


def test_a_node_that_another_writer_ended_does_not_break_the_run(user: User, pool: ProcessPool, gate: Path) -> None:
    execution = start(user, {"a": ("test.wait", {"gate": str(gate)}), "b": "test.echo"}, "a.value → b.value", value="v")
    with running(claim(pool)), gate.open("wb"):
        NodeExecution.objects.filter(graph_execution=execution).update(status="FAILED")

    execution.refresh_from_db()
    assert execution.status == ExecutionStatus.FAILED
    assert node_of(execution, "a").status == "FAILED"
    assert execution.stats
    assert "COMPLETED may not follow FAILED" in execution.stats["error"]
