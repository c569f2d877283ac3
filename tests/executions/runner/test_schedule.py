"""Which node comes when, and what it gets."""

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
    """What a node gets once all others before it have given these outputs."""
    topology = Schedule(definition)
    while ready := topology.ready():
        for node in ready:
            if node.id == node_id:
                block = registry.find_block(node.block_id)
                assert block
                return topology.input_of(node, block, inputs)
            topology.completed(node, outputs.get(node.id, {}))
    raise AssertionError("never ready")


def test_a_node_is_ready_once_all_that_lead_to_it_are_completed() -> None:
    topology = Schedule(
        graph(
            {"d": "test.each", "a": "test.echo", "b": "test.echo", "c": "test.echo"},
            "a.value → b.value",
            "a.value → c.value",
            "b.value → d.values",
            "c.value → d.values",
        )
    )

    (a,) = topology.ready()
    assert a.id == "a"
    assert topology.ready() == []
    topology.completed(a, {"value": [1]})
    b, c = topology.ready()
    assert [b.id, c.id] == ["b", "c"]
    topology.completed(c, {"value": [3]})
    assert topology.ready() == []
    topology.completed(b, {"value": [2]})
    assert ids(topology.ready()) == ["d"]


def test_what_is_behind_a_failed_node_is_told_once_and_never_ready() -> None:
    topology = Schedule(
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
    a, b = topology.ready()

    assert ids(topology.failed(a)) == ["x", "y", "end"]
    topology.completed(b, {"value": [1]})
    (z,) = topology.ready()
    assert z.id == "z"
    assert topology.failed(z) == []
    assert topology.ready() == []


def test_a_list_field_gets_all_values_in_the_order_of_the_links() -> None:
    definition = graph(
        {"a": "test.each", "b": "test.each", "end": "test.each"}, "b.value → end.values", "a.value → end.values"
    )

    data = input_of(definition, "end", {"a": {"value": [1, 2]}, "b": {"value": [3]}})

    assert data == {"values": [3, 1, 2]}


def test_any_other_field_gets_its_one_value() -> None:
    definition = graph({"a": "test.each", "end": "test.one"}, "a.value → end.value")

    assert input_of(definition, "end", {"a": {"value": ["x"]}}) == {"value": "x"}
    with pytest.raises(BlockError, match="value: it takes one value, and the links carry 2"):
        input_of(definition, "end", {"a": {"value": ["x", "y"]}})
    with pytest.raises(BlockError, match="value: it takes one value, and the links carry none"):
        input_of(definition, "end", {"a": {"something else": ["x"]}})


def test_what_links_do_not_carry_keeps_its_default() -> None:
    definition = graph(
        {"a": "test.each", "end": ("test.one", {"note": "n", "value": "v"})}, "a.note → end.note", "a.value → end.value"
    )

    assert input_of(definition, "end", {"a": {}}) == {"note": "n", "value": "v"}
    assert input_of(definition, "end", {"a": {"note": ["m"]}}) == {"note": "m", "value": "v"}


def test_a_link_to_a_field_that_the_block_has_not_is_for_the_block_to_refuse() -> None:
    definition = graph({"a": "test.each", "end": "test.one"}, "a.value → end.values")

    assert input_of(definition, "end", {"a": {"value": ["x"]}}) == {"values": ["x"]}


def test_the_inputs_of_a_run_go_to_the_first_nodes_over_their_defaults() -> None:
    definition = graph({"a": ("test.one", {"value": "default", "note": "n"}), "b": "test.one"}, "a.value → b.value")

    assert input_of(definition, "a", {}, value="given", other=1) == {"value": "given", "note": "n"}
    assert input_of(definition, "b", {"a": {"value": ["x"]}}, value="given", note="given") == {"value": "x"}


def test_a_mask_goes_over_the_defaults_of_its_node() -> None:
    definition = graph({"a": ("test.one", {"value": "default", "note": "n"})})
    topology = Schedule(definition)
    (node,) = topology.ready()
    block = registry.find_block("test.one")
    assert block

    assert topology.input_of(node, block, {}, {"note": "masked"}) == {"value": "default", "note": "masked"}


def test_the_outputs_of_a_run_are_those_of_its_last_nodes() -> None:
    topology = Schedule(graph(dict.fromkeys("abc", "test.each"), "a.value → b.values"))
    a, c = topology.ready()
    topology.completed(c, {"value": [3], "note": ["c"]})
    topology.completed(a, {"value": [1]})
    (b,) = topology.ready()
    topology.completed(b, {"value": [2]})

    assert topology.outputs() == {"value": [2, 3], "note": ["c"]}
