"""The order of the nodes in a run, and the input of each node."""

from typing import Any

import pytest

from executions.blocks import registry
from executions.blocks.registry import BlockError
from executions.graphs import GraphDefinition, Node, parse_graph
from executions.runner.schedule import Schedule


@pytest.fixture(scope="module", autouse=True)
def _blocks() -> None:
    registry.load(["tests.executions.sample_blocks"])


def graph(nodes: dict[str, Any], *links: str) -> GraphDefinition:
    """`graph({"a": "test.echo", "b": ("test.one", {"note": "…"})}, "a.value → b.value")`"""
    pairs = [[end.strip().split(".") for end in each.split("→")] for each in links]
    blocks = {id: block if isinstance(block, tuple) else (block, {}) for id, block in nodes.items()}
    return parse_graph(
        [{"id": id, "block_id": block, "input_default": default} for id, (block, default) in blocks.items()],
        [
            {"source_id": source[0], "source_name": source[1], "sink_id": sink[0], "sink_name": sink[1]}
            for source, sink in pairs
        ],
    )


def ids(nodes: list[Node]) -> list[str]:
    return [node.id for node in nodes]


def input_of(definition: GraphDefinition, node_id: str, outputs: dict[str, Any], **inputs: Any) -> dict[str, Any]:
    """The input of a node after the nodes before it have completed with these outputs."""
    schedule = Schedule(definition)
    while ready := schedule.ready():
        for node in ready:
            if node.id == node_id:
                block = registry.find_block(node.block_id)
                assert block
                return schedule.input_of(node, block, inputs)
            schedule.completed(node, outputs.get(node.id, {}))
    raise AssertionError("never ready")


def test_a_node_is_ready_when_all_nodes_before_it_have_completed() -> None:
    schedule = Schedule(
        graph(
            {"d": "test.each", "a": "test.echo", "b": "test.echo", "c": "test.echo"},
            "a.value → b.value",
            "a.value → c.value",
            "b.value → d.values",
            "c.value → d.values",
        )
    )

    (a,) = schedule.ready()
    assert a.id == "a"
    assert schedule.ready() == []
    schedule.completed(a, {"value": [1]})
    b, c = schedule.ready()
    assert [b.id, c.id] == ["b", "c"]
    schedule.completed(c, {"value": [3]})
    assert schedule.ready() == []
    schedule.completed(b, {"value": [2]})
    assert ids(schedule.ready()) == ["d"]


def test_nodes_after_a_failed_node_are_listed_once_and_never_ready() -> None:
    schedule = Schedule(
        graph(
            dict.fromkeys("abxyz", "test.echo") | {"end": "test.each"},
            "a.value → x.value",
            "x.value → y.value",
            "b.value → y.value",
            "b.value → z.value",
            "y.value → end.values",
            "z.value → end.values",
        )
    )
    a, b = schedule.ready()

    assert ids(schedule.failed(a)) == ["x", "y", "end"]
    schedule.completed(b, {"value": [1]})
    (z,) = schedule.ready()
    assert z.id == "z"
    assert schedule.failed(z) == []
    assert schedule.ready() == []


def test_a_list_field_gets_all_values_in_the_order_of_the_links() -> None:
    definition = graph(
        {"a": "test.each", "b": "test.each", "end": "test.each"}, "b.value → end.values", "a.value → end.values"
    )

    data = input_of(definition, "end", {"a": {"value": [1, 2]}, "b": {"value": [3]}})

    assert data == {"values": [3, 1, 2]}


def test_any_other_field_takes_exactly_one_value() -> None:
    definition = graph({"a": "test.each", "end": "test.one"}, "a.value → end.value")

    assert input_of(definition, "end", {"a": {"value": ["x"]}}) == {"value": "x"}
    with pytest.raises(BlockError, match="value: it takes one value, and the links carry 2"):
        input_of(definition, "end", {"a": {"value": ["x", "y"]}})
    with pytest.raises(BlockError, match="value: it takes one value, and the links carry none"):
        input_of(definition, "end", {"a": {"something else": ["x"]}})


def test_a_field_without_a_value_from_a_link_keeps_its_default() -> None:
    definition = graph(
        {"a": "test.each", "end": ("test.one", {"note": "n", "value": "v"})}, "a.note → end.note", "a.value → end.value"
    )

    assert input_of(definition, "end", {"a": {}}) == {"note": "n", "value": "v"}
    assert input_of(definition, "end", {"a": {"note": ["m"]}}) == {"note": "m", "value": "v"}


def test_a_link_to_an_unknown_field_is_left_for_the_block_to_refuse() -> None:
    definition = graph({"a": "test.each", "end": "test.one"}, "a.value → end.values")

    assert input_of(definition, "end", {"a": {"value": ["x"]}}) == {"values": ["x"]}


def test_the_inputs_of_a_run_replace_the_defaults_of_the_first_nodes() -> None:
    definition = graph({"a": ("test.one", {"value": "default", "note": "n"}), "b": "test.one"}, "a.value → b.value")

    assert input_of(definition, "a", {}, value="given", other=1) == {"value": "given", "note": "n"}
    assert input_of(definition, "b", {"a": {"value": ["x"]}}, value="given", note="given") == {"value": "x"}


def test_a_mask_replaces_the_defaults_of_its_node() -> None:
    definition = graph({"a": ("test.one", {"value": "default", "note": "n"})})
    schedule = Schedule(definition)
    (node,) = schedule.ready()
    block = registry.find_block("test.one")
    assert block

    assert schedule.input_of(node, block, {}, {"note": "masked"}) == {"value": "default", "note": "masked"}


def test_the_outputs_of_a_run_are_those_of_its_last_nodes() -> None:
    schedule = Schedule(graph(dict.fromkeys("abc", "test.each"), "a.value → b.values"))
    a, c = schedule.ready()
    schedule.completed(c, {"value": [3], "note": ["c"]})
    schedule.completed(a, {"value": [1]})
    (b,) = schedule.ready()
    schedule.completed(b, {"value": [2]})

    assert schedule.outputs() == {"value": [2, 3], "note": ["c"]}
