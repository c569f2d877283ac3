"""What one run may write: a small request cannot fill the disk."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from executions.blocks.text import MAX_TEXT_BYTES
from executions.conf import DEFAULTS
from executions.events import NodeExecutionEvent
from executions.models import GraphExecution
from executions.runner.process_pool import ProcessPool
from executions.samples import make_text_insight
from executions.services import start_execution
from executions.signals import graph_execution_changed, node_execution_changed
from tests.executions.runner.runs import claim, node_of, start

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("quick")]

LONG = "x" * 260 * 1024


@pytest.fixture
def written() -> Iterator[list[int]]:
    """The bytes of each change: its event, and the row where it writes one."""
    sizes: list[int] = []

    def on_changed(event: Any = None, events: Any = (), **kwargs: Any) -> None:
        for each in events or [event]:
            writes_row = isinstance(each, NodeExecutionEvent) and each.status in ("QUEUED", "COMPLETED")
            sizes.append(len(each.model_dump_json()) * (2 if writes_row else 1))

    for signal in (graph_execution_changed, node_execution_changed):
        signal.connect(on_changed)
    yield sizes
    for signal in (graph_execution_changed, node_execution_changed):
        signal.disconnect(on_changed)


def fan_out(user: User, count: int, **inputs: Any) -> GraphExecution:
    sinks = [f"n{number}" for number in range(count)]
    nodes = {"source": "test.echo", **dict.fromkeys(sinks, "test.echo")}
    return start(user, nodes, *(f"source.value → {sink}.value" for sink in sinks), **inputs)


def test_a_long_input_that_fans_out_ends_the_run_at_the_budget(
    user: User, pool: ProcessPool, written: list[int]
) -> None:
    execution = fan_out(user, 300, value=LONG)
    claim(pool).go()

    execution.refresh_from_db()
    assert execution.status == "FAILED"
    assert execution.stats["error"].startswith("The run would write more than 32 MB, the limit of one run")
    assert sum(written) <= DEFAULTS.MAX_RUN_BYTES + 10 * len(LONG)


def test_the_node_that_would_pass_the_budget_has_the_error_and_no_input(
    user: User, pool: ProcessPool, settings: Settings
) -> None:
    settings.EXECUTIONS = {"MAX_RUN_BYTES": 12 * len(LONG)}
    execution = fan_out(user, 2, value=LONG)
    claim(pool).go()

    execution.refresh_from_db()
    assert (execution.status, execution.outputs) == ("FAILED", {})
    assert node_of(execution, "source").status == "COMPLETED"
    failed = node_of(execution, "n0")
    assert (failed.status, failed.input_data) == ("FAILED", {})
    assert failed.output_data["error"] == [execution.stats["error"]]
    assert not execution.node_executions.exclude(status__in=["COMPLETED", "FAILED", "TERMINATED"]).exists()


def test_an_output_that_would_pass_the_budget_is_not_written(user: User, pool: ProcessPool, settings: Settings) -> None:
    settings.EXECUTIONS = {"MAX_RUN_BYTES": 9 * len(LONG)}
    execution = start(user, {"a": "test.echo"}, value=LONG)
    claim(pool).go()

    node = node_of(execution, "a")
    assert node.status == "FAILED"
    assert "the limit of one run" in node.output_data["error"][0]
    assert node.input_data == {"value": LONG}


def test_many_links_into_one_node_are_counted_before_they_are_joined(
    user: User, pool: ProcessPool, settings: Settings
) -> None:
    """Joined, the lists of 64 links have 64 times the values of one."""
    settings.EXECUTIONS = {"MAX_RUN_BYTES": 4_000_000}
    sources = [f"s{number}" for number in range(64)]
    execution = start(
        user,
        {
            "first": ("test.each", {"values": ["x"] * 2_000}),
            **dict.fromkeys(sources, "test.each"),
            "last": "test.each",
        },
        *(f"first.value → {source}.values" for source in sources),
        *(f"{source}.value → last.values" for source in sources),
    )
    claim(pool).go()

    last = node_of(execution, "last")
    assert (last.status, last.input_data) == ("FAILED", {})
    assert "the limit of one run" in last.output_data["error"][0]
    assert execution.node_executions.filter(status="COMPLETED").count() == 65


def test_no_thread_is_left_after_a_run_beyond_its_budget(user: User, pool: ProcessPool, settings: Settings) -> None:
    settings.EXECUTIONS = {"MAX_RUN_BYTES": 1_000}
    before = threading.active_count()
    for _ in range(10):
        fan_out(user, 3, value="x" * 2_000)
        claim(pool).go()
    assert threading.active_count() <= before + 3


def test_the_samples_stay_far_below_the_budget(user: User, pool: ProcessPool, written: list[int]) -> None:
    graph, _ = make_text_insight(user)
    text = ("The whale sank the ship near the old harbour. " * 10_000)[:MAX_TEXT_BYTES]
    execution = start_execution(graph, user=user, inputs={"text": text}, runner="embedded")
    claim(pool).go()

    execution.refresh_from_db()
    assert execution.status == "COMPLETED", execution.stats
    assert sum(written) < DEFAULTS.MAX_RUN_BYTES / 2
