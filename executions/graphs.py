"""The definition of a graph: nodes run blocks, and links carry an output of one node to an input of another.

    {"nodes": [{"id": "split", "block_id": "text.sentences", "title": "Sentences", "input_default": {"text": "…"}},
               {"id": "rank", "block_id": "text.key_sentences"}],
     "links": [{"source_id": "split", "source_name": "sentences", "sink_id": "rank", "sink_name": "sentences"}]}

A valid definition can be run in topological order: ids are unique, links lead to existing nodes, and there is no
cycle. `executions.blocks.registry` knows whether the blocks exist. This module uses no Django and no I/O.
"""

from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

MAX_NODES = 1_000  # a page draws all of them, and a run keeps all of them in memory
MAX_LINKS = 5_000
MAX_ID_LENGTH = 200  # fits into the columns of a node execution
MAX_NAME_LENGTH = 200
MAX_TITLE_LENGTH = 200

Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_LENGTH)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_LENGTH)]
Title = Annotated[str, StringConstraints(max_length=MAX_TITLE_LENGTH)]


class Node(BaseModel):
    """One step. `input_default` holds default inputs of its block. A link or an input of the run overrides them."""

    model_config = ConfigDict(extra="forbid")

    id: Id
    block_id: Id
    title: Title = ""
    input_default: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """The name that pages show."""
        return self.title or self.id


class Link(BaseModel):
    """Carries the output `source_name` of node `source_id` to the input `sink_name` of node `sink_id`."""

    model_config = ConfigDict(extra="forbid")

    source_id: Id
    source_name: Name
    sink_id: Id
    sink_name: Name


class GraphDefinition(BaseModel):
    """Nodes and links that can be run. Errors carry their path, such as `links[2].sink_id`. `validation.sentences`
    makes sentences of them."""

    model_config = ConfigDict(extra="forbid")

    nodes: list[Node]
    links: list[Link] = []

    @model_validator(mode="after")
    def _can_be_run(self) -> Self:
        # The counts are checked here and not by pydantic, so that all sentences have the same form.
        errors = self._too_many() or self._duplicates() or self._dangling_links() or self._cycles()
        if errors:
            raise ValidationError.from_exception_data(type(self).__name__, errors)
        return self

    def _too_many(self) -> list[InitErrorDetails]:
        return [
            _error((name,), f"there are {count} {name}; {limit} are the most")
            for name, count, limit in (("nodes", len(self.nodes), MAX_NODES), ("links", len(self.links), MAX_LINKS))
            if count > limit
        ]

    def _duplicates(self) -> list[InitErrorDetails]:
        errors: list[InitErrorDetails] = []
        first_at: dict[str, int] = {}
        for index, node in enumerate(self.nodes):
            first = first_at.setdefault(node.id, index)
            if first != index:
                errors.append(_error(("nodes", index, "id"), f'nodes[{first}] has the id "{node.id}" already'))
        first_link: dict[tuple[str, str, str, str], int] = {}
        for index, link in enumerate(self.links):
            key = (link.source_id, link.source_name, link.sink_id, link.sink_name)
            first = first_link.setdefault(key, index)
            if first != index:
                errors.append(_error(("links", index), f"it is the same as links[{first}]"))
        return errors

    def _dangling_links(self) -> list[InitErrorDetails]:
        known = {node.id for node in self.nodes}
        return [
            _error(("links", index, end), f'there is no node "{node_id}"')
            for index, link in enumerate(self.links)
            for end, node_id in (("source_id", link.source_id), ("sink_id", link.sink_id))
            if node_id not in known
        ]

    def _cycles(self) -> list[InitErrorDetails]:
        try:
            TopologicalSorter(self.predecessors()).prepare()
        except CycleError as error:
            cycle = error.args[1]  # in the direction of the links; the first node is also the last
            return [_error(("links",), f"the nodes wait for each other: {' → '.join(cycle)}")]
        return []

    def predecessors(self) -> dict[str, set[str]]:
        """Node id → the ids of the nodes whose output it takes. The nodes are in the order of the definition."""
        sources: dict[str, set[str]] = {node.id: set() for node in self.nodes}
        for link in self.links:
            sources[link.sink_id].add(link.source_id)
        return sources


def parse_graph(nodes: Any, links: Any) -> GraphDefinition:
    """The definition from the two lists that a `Graph` row holds. Raises pydantic's ValidationError."""
    return GraphDefinition.model_validate({"nodes": nodes, "links": links})


def _error(location: tuple[int | str, ...], message: str) -> InitErrorDetails:
    # The message is a parameter of the template, because it may quote text with braces.
    error = PydanticCustomError("graph", "{message}", {"message": message})
    return InitErrorDetails(type=error, loc=location, input=None)
