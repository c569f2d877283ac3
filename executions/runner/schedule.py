"""Which node comes when, and what it gets: the rules of a run, without database, processes or clock.

A link hands on the list that its output is. A field that takes a list gets the lists of all its links, joined in the
order of the links; any other field takes exactly one value. A node that no link leads to gets those inputs of the run
that its block has a field for. A node behind a failed one is never ready.
"""

from collections import defaultdict
from collections.abc import Mapping
from graphlib import TopologicalSorter
from typing import Any

from executions.blocks.registry import Block, BlockError, Outputs
from executions.graphs import GraphDefinition, Link, Node


class Schedule:
    """The course of one run through a graph: `ready`, then `completed` or `failed` for each of those, and so on until
    nothing is ready any more."""

    def __init__(self, definition: GraphDefinition) -> None:
        self._nodes = {node.id: node for node in definition.nodes}
        self._links_to: dict[str, list[Link]] = defaultdict(list)
        self._followers: dict[str, set[str]] = defaultdict(set)
        for link in definition.links:
            self._links_to[link.sink_id].append(link)
            self._followers[link.source_id].add(link.sink_id)
        self._sorter = TopologicalSorter(definition.predecessors())
        self._sorter.prepare()
        self._behind_failed: set[str] = set()
        self._outputs: dict[str, Outputs] = {}

    def ready(self) -> list[Node]:
        """The nodes whose turn has come since the last call, in the order of the definition."""
        turn = set(self._sorter.get_ready())
        return [node for node_id, node in self._nodes.items() if node_id in turn]

    def completed(self, node: Node, outputs: Outputs) -> None:
        """Lets those follow that waited for `node`."""
        self._outputs[node.id] = outputs
        self._sorter.done(node.id)

    def failed(self, node: Node) -> list[Node]:
        """The nodes that will never be ready because of this one, those of earlier failures excepted."""
        behind: set[str] = set()
        waiting = [node.id]
        while waiting:
            new = self._followers[waiting.pop()] - behind - self._behind_failed
            behind |= new
            waiting.extend(new)
        self._behind_failed |= behind
        return [each for node_id, each in self._nodes.items() if node_id in behind]

    def input_of(
        self, node: Node, block: Block, inputs: Mapping[str, Any], mask: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """What a ready node gets: its own defaults, over them what the run's mask says of it, over that the run's
        inputs or what the links carry. Raises BlockError where the links do not carry what the field takes. The block
        itself checks all values."""
        data = {**node.input_default, **(mask or {})}
        fields = block.fields
        if not self._links_to[node.id]:
            data |= {name: value for name, value in inputs.items() if name in fields}
        arrived: dict[str, list[Any]] = defaultdict(list)
        for link in self._links_to[node.id]:
            arrived[link.sink_name] += self._outputs[link.source_id].get(link.source_name, [])
        for name, values in arrived.items():
            if name not in fields or fields[name].takes_list:
                data[name] = values
            elif len(values) == 1:
                data[name] = values[0]
            elif values or (fields[name].is_required and name not in data):
                raise BlockError(f"{name}: it takes one value, and the links carry {len(values) or 'none'}")
        return data

    def outputs(self) -> Outputs:
        """The run's outputs: those of the nodes that nothing follows, by name, in the order of the definition."""
        joined: Outputs = {}
        for node_id in self._nodes:
            if not self._followers[node_id]:
                for name, values in self._outputs.get(node_id, {}).items():
                    joined[name] = [*joined.get(name, []), *values]
        return joined
