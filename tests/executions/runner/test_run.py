"""One run with real block processes: the records it makes, and their order, in success and in failure."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from pytest_django import Settings

from executions.blocks import registry
from executions.blocks.table import EXAMPLE
from executions.leases import claim_next
from executions.models import Graph, GraphExecution, NodeExecution
from executions.runner import run as run_module
from executions.runner.process_pool import ProcessPool
from executions.runner.run import Run
from executions.samples import CODEBASE_CENSUS, CSV_PROFILE, Sample, make_sample, make_text_insight
from executions.services import report_execution, requeue_execution, start_execution, terminate_execution
from executions.signals import graph_execution_changed, node_execution_changed
from executions.statuses import ExecutionStatus
from tests.executions.gates import new_gate, until_killed

pytestmark = pytest.mark.django_db(transaction=True)

BLOCKS = ("tests.executions.sample_blocks",)
CONTROL = "\x01"  # six bytes in JSON
TEXT = "The whale sank the ship. Sailors told stories about the whale. The harbour was quiet for a long time."


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPool]:
    registry.load(BLOCKS)
    pool = ProcessPool(2, block_modules=BLOCKS, start_timeout=60)
    yield pool
    pool.close()


@pytest.fixture(autouse=True)
def _quick(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.EXECUTIONS = {"POLL_INTERVAL": 0.02}
    monkeypatch.setattr(run_module, "_PAUSES", (0.0, 0.0))


@pytest.fixture
def events() -> Iterator[list[tuple[str, str]]]:
    """(node id, or "run", and status) of every change, in order."""
    seen: list[tuple[str, str]] = []

    def on_run(event: Any = None, events: Any = (), **kwargs: Any) -> None:
        seen.extend(("run", each.status) for each in (events or [event]))

    def on_node(event: Any = None, events: Any = (), **kwargs: Any) -> None:
        seen.extend((each.node_id, each.status) for each in (events or [event]))

    graph_execution_changed.connect(on_run)
    node_execution_changed.connect(on_node)
    yield seen
    graph_execution_changed.disconnect(on_run)
    node_execution_changed.disconnect(on_node)


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return new_gate(tmp_path / "gate")


def start(user: User, nodes: dict[str, Any], *links: str, **inputs: Any) -> GraphExecution:
    """`start(user, {"a": "test.echo", "b": ("test.wait", {"gate": "…"})}, "a.value → b.value")`"""
    pairs = [[end.strip().split(".") for end in each.split("→")] for each in links]
    blocks = {id: block if isinstance(block, tuple) else (block, {}) for id, block in nodes.items()}
    graph = Graph.objects.create(
        owner=user,
        name="g",
        nodes=[{"id": id, "block_id": block, "input_default": default} for id, (block, default) in blocks.items()],
        links=[
            {"source_id": source[0], "source_name": source[1], "sink_id": sink[0], "sink_name": sink[1]}
            for source, sink in pairs
        ],
    )
    return start_execution(graph, user=user, inputs=inputs, runner="embedded")


def claim(pool: ProcessPool) -> Run:
    execution = claim_next()
    assert execution
    return Run(execution, pool)


def node_of(execution: GraphExecution, node_id: str) -> NodeExecution:
    return execution.node_executions.get(node_id=node_id)


@contextmanager
def running(run: Run) -> Iterator[None]:
    """Executes the run in a thread of its own, and joins the thread at the end of the `with` block."""
    thread = threading.Thread(target=run.go)
    thread.start()
    try:
        yield
    finally:
        thread.join(60)
        assert not thread.is_alive()


def test_text_insight_from_queued_to_completed(user: User, pool: ProcessPool, events: list[tuple[str, str]]) -> None:
    graph, _ = make_text_insight(user)
    execution = start_execution(graph, user=user, inputs={"text": TEXT}, runner="embedded")

    claim(pool).go()

    execution.refresh_from_db()
    assert execution.status == ExecutionStatus.COMPLETED
    assert execution.outputs["report"][0].startswith("# Text insight\n")
    assert "whale: 2" in execution.outputs["report"][0]
    assert events[:2] == [("run", "QUEUED"), ("run", "RUNNING")]
    assert events[-1] == ("run", "COMPLETED")
    nodes = ["prose", "sentences", "words", "readability", "key", "report"]
    for node in nodes:
        assert [status for id, status in events if id == node] == ["QUEUED", "RUNNING", "COMPLETED"]
    assert len(events) == 3 + 3 * len(nodes)
    position = {event: index for index, event in enumerate(events)}
    for source, sink in [("prose", "words"), ("sentences", "key"), ("words", "key"), ("readability", "report")]:
        assert position[source, "COMPLETED"] < position[sink, "QUEUED"]
    assert position["words", "QUEUED"] < position["sentences", "COMPLETED"]
    assert position["sentences", "QUEUED"] < position["words", "COMPLETED"]


@pytest.mark.parametrize(
    ("sample", "inputs", "text"),
    [
        (CODEBASE_CENSUS, {"folder": "executions/blocks"}, "lines of code"),
        (CODEBASE_CENSUS, {}, "of the whole project."),
        (CSV_PROFILE, {"csv": EXAMPLE}, "8 rows of 10 columns"),
    ],
)
def test_the_other_samples_from_queued_to_completed(
    user: User, pool: ProcessPool, sample: Sample, inputs: dict[str, Any], text: str
) -> None:
    graph, _ = make_sample(sample, user)
    execution = start_execution(graph, user=user, inputs=inputs, runner="embedded")

    claim(pool).go()

    execution.refresh_from_db()
    assert (execution.status, execution.outputs["report"][0].startswith(f"# {sample.name}\n")) == ("COMPLETED", True)
    assert text in execution.outputs["report"][0]


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


def test_every_node_keeps_its_input_outputs_and_times(user: User, pool: ProcessPool) -> None:
    execution = start(user, {"a": "test.echo", "b": "test.each"}, "a.value → b.values", value={"deep": [1]})

    claim(pool).go()

    a, b = node_of(execution, "a"), node_of(execution, "b")
    assert (a.block_id, a.input_data, a.output_data) == (
        "test.echo",
        {"value": {"deep": [1]}},
        {"value": [{"deep": [1]}]},
    )
    assert b.input_data == {"values": [{"deep": [1]}]}
    times = [a.add_time, a.queue_time, a.start_time, a.end_time, b.add_time, b.queue_time, b.start_time, b.end_time]
    assert None not in times
    assert times == sorted(times)  # type: ignore[type-var]


def test_stats_hold_the_cost_of_a_run(user: User, pool: ProcessPool) -> None:
    execution = start(user, {"a": "test.echo", "b": "test.echo"}, value=1)

    claim(pool).go()

    execution.refresh_from_db()
    stats = execution.stats
    assert stats
    assert (stats["node_exec_count"], stats["node_error_count"], stats["error"]) == (2, 0, None)
    assert 0 < stats["node_exec_time_cpu_only"] <= stats["duration_cpu_only"]
    assert stats["node_exec_time"] > 0
    assert stats["duration"] > 0


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


def test_a_graph_without_nodes_is_completed_at_once(user: User, pool: ProcessPool) -> None:
    execution = start(user, {})

    claim(pool).go()

    execution.refresh_from_db()
    assert (execution.status, execution.outputs) == ("COMPLETED", {})


def test_node_ids_may_hold_any_text(user: User, pool: ProcessPool) -> None:
    ids = ["<script>alert(1)</script>", "{0.__class__}", "../../etc/passwd", "'; DROP TABLE x; --", "🙂", "%s%n", "run"]
    execution = start(user, dict.fromkeys(ids, "test.raise"))

    claim(pool).go()

    assert set(execution.node_executions.values_list("node_id", flat=True)) == set(ids)
    assert set(execution.node_executions.values_list("status", flat=True)) == {"FAILED"}
    execution.refresh_from_db()
    assert execution.stats
    assert execution.stats["error"].endswith("And 4 more.")


def test_a_mask_changes_the_input_of_one_node(user: User, pool: ProcessPool) -> None:
    execution = start(user, {"a": ("test.one", {"value": "default"}), "b": ("test.one", {"value": "default"})})
    execution.nodes_input_masks = {"b": {"value": "masked"}}
    execution.save()

    claim(pool).go()

    assert node_of(execution, "a").input_data == {"value": "default"}
    assert node_of(execution, "b").input_data == {"value": "masked"}


@pytest.mark.parametrize("is_notified", [True, False], ids=["in this process", "in another process"])
def test_a_terminated_run_gets_no_more_records(
    user: User, pool: ProcessPool, events: list[tuple[str, str]], gate: Path, is_notified: bool
) -> None:
    execution = start(user, {"a": ("test.wait", {"gate": str(gate)}), "b": "test.echo"}, "a.value → b.value")
    run = claim(pool)

    with running(run), until_killed(gate):
        terminate_execution(execution)
        if is_notified:
            run.check()

    assert events[-2:] == [("a", "TERMINATED"), ("run", "TERMINATED")]
    assert not execution.node_executions.filter(node_id="b").exists()


def test_a_run_that_another_owner_claimed_is_left_to_it(user: User, pool: ProcessPool, gate: Path) -> None:
    execution = start(user, {"a": ("test.wait", {"gate": str(gate)})})
    old = claim(pool)

    with running(old), until_killed(gate):
        terminate_execution(execution)
        requeue_execution(execution)
        new = claim(pool)
        old.check()
    with running(new):
        gate.write_bytes(b"open")

    execution.refresh_from_db()
    assert (execution.status, execution.attempt) == ("COMPLETED", 2)
    statuses = execution.node_executions.order_by("attempt").values_list("attempt", "status")
    assert list(statuses) == [(1, "TERMINATED"), (2, "COMPLETED")]


def test_a_stopped_run_returns_to_the_queue_and_starts_again(user: User, pool: ProcessPool, gate: Path) -> None:
    execution = start(user, {"a": "test.echo", "b": ("test.wait", {"gate": str(gate)})}, "a.value → b.value", value="v")
    run = claim(pool)
    with running(run), until_killed(gate):
        run.stop()
    execution.refresh_from_db()
    assert (execution.status, execution.runner) == ("QUEUED", "embedded")

    with running(claim(pool)):
        gate.write_bytes(b"open")

    execution.refresh_from_db()
    assert (execution.status, execution.outputs) == ("COMPLETED", {"value": ["v"]})
    assert execution.node_executions.filter(node_id="a", status="COMPLETED").count() == 2


def test_a_run_continues_after_a_review_without_repeating_nodes(user: User, pool: ProcessPool, gate: Path) -> None:
    execution = start(user, {"a": "test.echo", "b": ("test.wait", {"gate": str(gate)})}, "a.value → b.value", value="v")
    run = claim(pool)
    with running(run), until_killed(gate):
        report_execution(execution, status=ExecutionStatus.REVIEW)
        run.check()
    requeue_execution(execution)

    with running(claim(pool)):
        gate.write_bytes(b"open")

    execution.refresh_from_db()
    assert (execution.status, execution.outputs) == ("COMPLETED", {"value": ["v"]})
    assert execution.node_executions.filter(node_id="a").count() == 1


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
