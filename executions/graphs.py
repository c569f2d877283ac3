"""The definition of a graph: nodes run blocks, and links carry an output of one node to an input of another.

    {"nodes": [{"id": "split", "block_id": "text.sentences", "title": "Sentences", "input_default": {"text": "…"}},
               {"id": "rank", "block_id": "text.key_sentences"}],
     "links": [{"source_id": "split", "source_name": "sentences", "sink_id": "rank", "sink_name": "sentences"}]}

A valid definition can be run in topological order: ids are unique, links lead to existing nodes, and there is no
cycle. `executions.blocks.registry` knows whether the blocks exist. This module uses no Django and no I/O.
"""

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import islice
from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from executions.validation import MAX_ERRORS, StrictModel

MAX_NODES = 1_000  # a run keeps all of them in memory, and so does a page, which shows a part of them
MAX_LINKS = 5_000
MAX_ID_LENGTH = 200  # fits into the columns of a node execution
MAX_NAME_LENGTH = 200
MAX_TITLE_LENGTH = 200
_MAX_CYCLE = 10  # nodes of a cycle that its error names

Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_LENGTH)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_LENGTH)]
Title = Annotated[str, StringConstraints(max_length=MAX_TITLE_LENGTH)]


class Node(StrictModel):
    """One step. `input_default` holds default inputs of its block. A link or an input of the run overrides them."""

    id: Id
    block_id: Id
    title: Title = ""
    input_default: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """The name that pages show."""
        return self.title or self.id


class Link(StrictModel):
    """Carries the output `source_name` of node `source_id` to the input `sink_name` of node `sink_id`."""

    source_id: Id
    source_name: Name
    sink_id: Id
    sink_name: Name


_Fault = tuple[tuple[int | str, ...], str]  # where, and what is wrong

# Validation ends at the first node and at the first link that is not valid, as many as there may be.
Nodes = Annotated[list[Node], Field(max_length=MAX_NODES, fail_fast=True)]
Links = Annotated[list[Link], Field(max_length=MAX_LINKS, fail_fast=True)]


class GraphDefinition(StrictModel):
    """Nodes and links that can be run. Errors carry their path, such as `links[2].sink_id`. `validation.sentences`
    makes sentences of them."""

    nodes: Nodes
    links: Links = []

    @model_validator(mode="after")
    def _can_be_run(self) -> Self:
        for find in (self._duplicates, self._dangling_links, self._cycles):
            if errors := _first(find()):
                raise ValidationError.from_exception_data(type(self).__name__, errors)
        return self

    def _duplicates(self) -> Iterator[_Fault]:
        first_at: dict[str, int] = {}
        for index, node in enumerate(self.nodes):
            first = first_at.setdefault(node.id, index)
            if first != index:
                yield ("nodes", index, "id"), f'nodes[{first}] has the id "{node.id}" already'
        first_link: dict[tuple[str, str, str, str], int] = {}
        for index, link in enumerate(self.links):
            key = (link.source_id, link.source_name, link.sink_id, link.sink_name)
            first = first_link.setdefault(key, index)
            if first != index:
                yield ("links", index), f"it is the same as links[{first}]"

    def _dangling_links(self) -> Iterator[_Fault]:
        known = {node.id for node in self.nodes}
        for index, link in enumerate(self.links):
            for end, node_id in (("source_id", link.source_id), ("sink_id", link.sink_id)):
                if node_id not in known:
                    yield ("links", index, end), f'there is no node "{node_id}"'

    def _cycles(self) -> Iterator[_Fault]:
        try:
            TopologicalSorter(self.predecessors()).prepare()
        except CycleError as error:
            cycle = error.args[1]  # in the direction of the links; the first node is also the last
            if len(cycle) > _MAX_CYCLE:
                cycle = [*cycle[:_MAX_CYCLE], f"{len(cycle) - _MAX_CYCLE - 1} more", cycle[-1]]
            yield ("links",), f"the nodes wait for each other: {' → '.join(cycle)}"

    def predecessors(self) -> dict[str, set[str]]:
        """Node id → the ids of the nodes whose output it takes. The nodes are in the order of the definition."""
        sources: dict[str, set[str]] = {node.id: set() for node in self.nodes}
        for link in self.links:
            sources[link.sink_id].add(link.source_id)
        return sources


def parse_graph(nodes: Any, links: Any) -> GraphDefinition:
    """The definition from the two lists that a `Graph` row holds. Raises pydantic's ValidationError."""
    return GraphDefinition.model_validate({"nodes": nodes, "links": links})


def _first(faults: Iterator[_Fault]) -> list[InitErrorDetails]:
    """Errors of the first faults, and one that counts the others."""
    errors = [_error(*fault) for fault in islice(faults, MAX_ERRORS - 1)]
    if more := sum(1 for _ in faults):
        errors.append(_error((), f"and {more:,} more like these"))
    return errors


def _error(location: tuple[int | str, ...], message: str) -> InitErrorDetails:
    # The message is a parameter of the template, because it may quote text with braces.
    error = PydanticCustomError("graph", "{message}", {"message": message})
    return InitErrorDetails(type=error, loc=location, input=None)
