"""The graph and the timeline of a simulated run."""

import random
from itertools import groupby
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executions.simulation.timeline import Plan, Shape, graph_of, payload, timeline

SHAPES = get_args(Shape)


@pytest.mark.parametrize(
    ("shape", "links"),
    [
        ("chain", {("1", "2"), ("2", "3"), ("3", "4")}),
        ("fan", {("1", "2"), ("1", "3"), ("2", "4"), ("3", "4")}),
        ("layers", {("1", "4"), ("2", "4"), ("3", "4")}),
    ],
)
def test_a_graph_has_the_given_shape(shape: Shape, links: set[tuple[str, str]]) -> None:
    definition = graph_of(shape, 4)

    found = {(link.source_id.removeprefix("step-"), link.sink_id.removeprefix("step-")) for link in definition.links}
    assert found == links
    assert definition.nodes[0].title == "Step 1"


@given(st.sampled_from(SHAPES), st.integers(1, 30), st.integers(), st.sampled_from([0.0, 1.0]), st.sampled_from([0, 2]))
def test_a_node_starts_when_the_nodes_before_it_have_ended(
    shape: Shape, nodes: int, seed: int, failures: float, node_seconds: float
) -> None:
    definition = graph_of(shape, nodes)
    plan = Plan(failures=failures, node_seconds=node_seconds)

    moments = timeline(definition, plan, random.Random(seed))

    assert [moment.at for moment in moments] == sorted(moment.at for moment in moments)
    done: set[str] = set()
    running: set[str] = set()
    for moment in moments:
        if moment.status == "RUNNING":
            assert definition.predecessors()[moment.node_id] <= done
            running.add(moment.node_id)
        else:
            running.remove(moment.node_id)
            done.add(moment.node_id)
    if failures:
        assert [moment.status for moment in moments].count("FAILED") == 1
        assert moments[-1].status == "FAILED"
    else:
        assert (len(done), running) == (nodes, set())


def test_the_same_seed_gives_the_same_run() -> None:
    runs = [timeline(graph_of("layers", 9), Plan(failures=0.5), random.Random(seed)) for seed in (1, 1, 2)]

    assert [len(list(same)) for _, same in groupby(runs)] == [2, 1]


def test_a_payload_has_the_given_size() -> None:
    assert [len(payload(size, random.Random(1)).encode()) for size in (0, 1, 100_000)] == [0, 1, 100_000]
