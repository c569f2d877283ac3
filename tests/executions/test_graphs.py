"""Which definitions of a graph are valid, and the messages for the others."""

from itertools import pairwise
from typing import Any

import pytest
from pydantic import ValidationError

from executions.graphs import MAX_ID_LENGTH, MAX_LINKS, MAX_NODES, parse_graph
from executions.validation import MAX_ERRORS, sentences

pytestmark = pytest.mark.once


def node(id: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "block_id": "block", **more}


def link(source_id: str, sink_id: str, **more: Any) -> dict[str, Any]:
    return {"source_id": source_id, "source_name": "out", "sink_id": sink_id, "sink_name": "in", **more}


def errors(nodes: Any, links: Any = ()) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        parse_graph(nodes, list(links) if isinstance(links, tuple) else links)
    return sentences(caught.value)


def test_a_graph_holds_the_given_values() -> None:
    nodes = [node("a", title="First", input_default={"text": "…"}), node("b")]

    graph = parse_graph(nodes, [link("a", "b")])

    assert [each.id for each in graph.nodes] == ["a", "b"]
    assert [each.name for each in graph.nodes] == ["First", "b"]
    assert graph.nodes[0].input_default == {"text": "…"}
    assert graph.model_dump()["links"] == [link("a", "b")]


def test_a_graph_without_nodes_is_valid() -> None:
    assert parse_graph([], []).nodes == []


def test_ids_may_be_any_text() -> None:
    ids = ["<script>alert(1)</script>", "{0.__class__}", "a/b?c#d", "é 漢字 🙂", "' OR 1=1 --", "\n"]

    graph = parse_graph([node(id) for id in ids], [link(ids[0], ids[1])])

    assert [each.id for each in graph.nodes] == ids


def test_the_error_of_a_dangling_link_names_its_end() -> None:
    assert errors([node("a")], [link("a", "x")]) == ['links[0].sink_id: there is no node "x"']
    assert errors([node("a")], [link("y", "a")]) == ['links[0].source_id: there is no node "y"']


def test_every_dangling_link_is_an_error() -> None:
    assert errors([node("a")], [link("x", "y"), link("a", "{z}")]) == [
        'links[0].source_id: there is no node "x"',
        'links[0].sink_id: there is no node "y"',
        'links[1].sink_id: there is no node "{z}"',
    ]


def test_ids_are_unique() -> None:
    assert errors([node("a"), node("b"), node("a")]) == ['nodes[2].id: nodes[0] has the id "a" already']


def test_the_same_link_twice_is_refused() -> None:
    assert errors([node("a"), node("b")], [link("a", "b"), link("a", "b")]) == ["links[1]: it is the same as links[0]"]


def test_the_error_of_a_cycle_lists_the_nodes_in_the_direction_of_the_links() -> None:
    cycle = [link("a", "b"), link("b", "c"), link("c", "a")]

    (error,) = errors([node(id) for id in "abcd"], [*cycle, link("c", "d")])

    found = error.removeprefix("links: the nodes wait for each other: ").split(" → ")
    assert found[0] == found[-1]
    assert sorted(found[1:]) == ["a", "b", "c"]
    assert all(link(source, sink) in cycle for source, sink in pairwise(found))


def test_a_node_does_not_wait_for_itself() -> None:
    assert errors([node("a")], [link("a", "a")]) == ["links: the nodes wait for each other: a → a"]


def test_a_missing_unknown_or_mistyped_field_is_named_with_its_path() -> None:
    assert errors([{"id": "a", "colour": "red"}], [link("a", "a", sink_name=3)]) == [
        "nodes[0].block_id: it is missing",
        "nodes[0].colour: there is no such field",
        "links[0].sink_name: input should be a valid string",
    ]
    assert errors("x", None) == ["nodes: input should be a valid list", "links: input should be a valid list"]
    assert errors([7]) == ["nodes[0]: it should be an object with fields"]


def test_ids_and_names_have_a_minimum_and_a_maximum_length() -> None:
    assert errors([node("")]) == ["nodes[0].id: string should have at least 1 character"]
    assert errors([node("x" * (MAX_ID_LENGTH + 1))]) == ["nodes[0].id: string should have at most 200 characters"]
    assert parse_graph([node("x" * MAX_ID_LENGTH)], []).nodes


def test_the_numbers_of_nodes_and_links_are_limited() -> None:
    assert errors([node(str(number)) for number in range(MAX_NODES + 1)]) == [
        "nodes: it has too many items; 1000 are the most"
    ]
    many = [link("a", "b", sink_name=str(number)) for number in range(MAX_LINKS + 1)]
    assert errors([node("a"), node("b")], many) == ["links: it has too many items; 5000 are the most"]


def test_a_long_chain_is_checked_without_recursion() -> None:
    chain = [str(number) for number in range(MAX_NODES)]

    assert parse_graph([node(id) for id in chain], [link(*pair) for pair in pairwise(chain)])


def test_the_predecessors_of_a_node_are_the_sources_of_its_links() -> None:
    graph = parse_graph([node("c"), node("a"), node("b")], [link("a", "c"), link("b", "c"), link("a", "b")])

    assert graph.predecessors() == {"c": {"a", "b"}, "a": set(), "b": {"a"}}


def test_validation_ends_at_the_first_invalid_node_and_link() -> None:
    found = errors([node("a"), {}, {}], [{}, link("a", "b")] * 2_000)
    assert [text.split(":")[0] for text in found] == [
        *("nodes[1].id", "nodes[1].block_id"),
        *("links[0].source_id", "links[0].source_name", "links[0].sink_id", "links[0].sink_name"),
    ]


def test_of_many_faults_the_first_are_named_and_the_others_counted() -> None:
    dangling = [link("a", "x", sink_name=str(number)) for number in range(500)]
    found = errors([node("a")], dangling)
    assert (len(found), found[18]) == (MAX_ERRORS, 'links[18].sink_id: there is no node "x"')
    assert found[19] == "and 481 more like these"
    assert errors([node("a")] * 500)[19] == "and 480 more like these"


def test_of_a_long_cycle_the_first_nodes_are_named() -> None:
    ids = [f"n{number}" for number in range(MAX_NODES)]
    (text,) = errors([node(id) for id in ids], [link(*pair) for pair in pairwise([*ids, ids[0]])])
    assert " → 990 more → n" in text
    assert len(text) < 200
