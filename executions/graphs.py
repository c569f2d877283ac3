"""What a graph is made of: nodes, each of which runs a block, and links that carry one's output to another's input.

    {"nodes": [{"id": "split", "block_id": "text.sentences", "title": "Sentences", "input_default": {"text": "…"}},
               {"id": "rank", "block_id": "text.key_sentences"}],
     "links": [{"source_id": "split", "source_name": "sentences", "sink_id": "rank", "sink_name": "sentences"}]}

A definition that validates can be run in topological order: ids are unique, links lead to nodes that exist, nothing
waits for itself. Whether its blocks exist is for `executions.blocks.registry` to say. Pure: no Django, no I/O.
"""

from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

MAX_NODES = 1_000  # a page draws them all, and a run keeps them all in memory
MAX_LINKS = 5_000
MAX_ID_LENGTH = 200  # what the columns of a node execution hold
MAX_NAME_LENGTH = 200
MAX_TITLE_LENGTH = 200

Id = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_LENGTH)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_LENGTH)]
Title = Annotated[str, StringConstraints(max_length=MAX_TITLE_LENGTH)]


class Node(BaseModel):
    """One step. `input_default` is what its block gets where no link and no input of the run gives something else."""

    model_config = ConfigDict(extra="forbid")

    id: Id
    block_id: Id
    title: Title = ""
    input_default: dict[str, Any] = {}

    @property
    def name(self) -> str:
        """What a person reads."""
        return self.title or self.id


class Link(BaseModel):
    """Carries the output `source_name` of node `source_id` to the input `sink_name` of node `sink_id`."""

    model_config = ConfigDict(extra="forbid")

    source_id: Id
    source_name: Name
    sink_id: Id
    sink_name: Name


class GraphDefinition(BaseModel):
    """Nodes and links that can be run. Errors carry the path, as in `links[2].sink_id`; `validation.sentences`
    makes sentences of them."""

    model_config = ConfigDict(extra="forbid")

    nodes: list[Node]
    links: list[Link] = []

    @model_validator(mode="after")
    def _can_be_run(self) -> Self:
        # The counts are looked at here and not by pydantic, so that the sentences have one form.
        errors = self._too_many() or self._duplicates() or self._loose_ends() or self._cycles()
        if errors:
            raise ValidationError.from_exception_data(type(self).__name__, errors)
        return self

    def _too_many(self) -> list[InitErrorDetails]:
        return [
            _error((name,), f"there are {count} {name}; {most} are the most")
            for name, count, most in (("nodes", len(self.nodes), MAX_NODES), ("links", len(self.links), MAX_LINKS))
            if count > most
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

    def _loose_ends(self) -> list[InitErrorDetails]:
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
            cycle = error.args[1]  # in the direction of the links; the first and the last are the same
            return [_error(("links",), f"the nodes wait for each other: {' → '.join(cycle)}")]
        return []

    def predecessors(self) -> dict[str, set[str]]:
        """Each node's id, in the order of the definition → the ids of the nodes whose output it takes."""
        before: dict[str, set[str]] = {node.id: set() for node in self.nodes}
        for link in self.links:
            before[link.sink_id].add(link.source_id)
        return before


def parse_graph(nodes: Any, links: Any) -> GraphDefinition:
    """The definition that these two lists are, as a model's fields hold them; raises pydantic's ValidationError."""
    return GraphDefinition.model_validate({"nodes": nodes, "links": links})


def _error(location: tuple[int | str, ...], message: str) -> InitErrorDetails:
    # A template, since what the message quotes may hold braces.
    error = PydanticCustomError("graph", "{message}", {"message": message})
    return InitErrorDetails(type=error, loc=location, input=None)
