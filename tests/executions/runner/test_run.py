"""One run with real block processes: its records and their order. `test_run_failures.py` is about failures."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from executions.blocks.table import EXAMPLE
from executions.runner.process_pool import ProcessPool
from executions.samples import CODEBASE_CENSUS, CSV_PROFILE, Sample, make_sample, make_text_insight
from executions.services import report_execution, requeue_execution, start_execution, terminate_execution
from executions.statuses import ExecutionStatus
from tests.executions.gates import until_killed
from tests.executions.runner.runs import claim, node_of, running, start

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quick")]

TEXT = "The whale sank the ship. Sailors told stories about the whale. The harbour was quiet for a long time."


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


def test_a_graph_without_nodes_is_completed_at_once(user: User, pool: ProcessPool) -> None:
    execution = start(user, {})

    claim(pool).go()

    execution.refresh_from_db()
    assert (execution.status, execution.outputs) == ("COMPLETED", {})


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
