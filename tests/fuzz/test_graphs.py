"""The definition of a graph: a graph that can be run, or a few short sentences."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from executions.graphs import MAX_LINKS, MAX_NODES, GraphDefinition, parse_graph
from executions.validation import MAX_ERRORS, sentences
from tests.fuzz.inputs import near
from tests.fuzz.oracles import LONG_REPR, SHORT, at_most_calls

pytestmark = [pytest.mark.once, LONG_REPR]

IDS = st.sampled_from(["a", "b", "c", "d", "{x}", "", "a" * 201])
nodes = st.lists(
    st.fixed_dictionaries({"id": IDS, "block_id": st.just("x")}, optional={"title": st.text(max_size=5)}), max_size=5
)
links = st.lists(
    st.fixed_dictionaries({"source_id": IDS, "source_name": st.just("o"), "sink_id": IDS, "sink_name": st.just("i")}),
    max_size=6,
)
long_chains = st.integers(1, 1_100).map(
    lambda length: (
        [{"id": f"n{number}", "block_id": "x"} for number in range(length)],
        [
            {"source_id": f"n{number}", "source_name": "o", "sink_id": f"n{(number + 1) % length}", "sink_name": "i"}
            for number in range(length)
        ],
    )
)
graphs = st.one_of(st.tuples(nodes, links), st.tuples(nodes.flatmap(near), links.flatmap(near)), long_chains)


def has_cycle(definition: GraphDefinition) -> bool:
    """By taking away what nothing leads to, until nothing is left."""
    left = {(link.source_id, link.sink_id) for link in definition.links}
    while left:
        sources = {source for source, _ in left}
        rest = {(source, sink) for source, sink in left if sink in sources}
        if rest == left:
            return True
        left = rest
    return False


@SHORT
@given(graphs)
def test_a_graph_can_be_run_or_its_faults_are_a_few_short_sentences(graph: tuple[Any, Any]) -> None:
    items = sum(len(each) for each in graph if isinstance(each, (list, dict, str)))
    try:
        with at_most_calls(2_000 + 100 * min(items, MAX_NODES + MAX_LINKS)):
            definition = parse_graph(*graph)
    except ValidationError as error:
        said = sentences(error)
        assert said
        assert len(said) <= MAX_ERRORS + 1
        assert max(map(len, said)) < 2_500
        return
    assert len(definition.nodes) <= MAX_NODES
    assert len(definition.links) <= MAX_LINKS
    ids = [node.id for node in definition.nodes]
    assert len(set(ids)) == len(ids)
    assert {end for link in definition.links for end in (link.source_id, link.sink_id)} <= set(ids)
    assert not has_cycle(definition)
    assert GraphDefinition.model_validate(definition.model_dump()) == definition
