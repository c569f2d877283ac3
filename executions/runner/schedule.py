"""The order of the nodes in a run, and the input of each node. Pure: no database, processes or clock.

An output is a list of values, and a link carries the whole list. A field that takes a list gets the lists of all its
links, joined in the order of the links. Any other field takes exactly one value. A node without an incoming link gets
the inputs of the run for which its block has a field. A node after a failed node never becomes ready.
"""

from collections import defaultdict
from collections.abc import Mapping
from graphlib import TopologicalSorter
from typing import Any

from executions.blocks.registry import Block, BlockError, Outputs
from executions.graphs import GraphDefinition, Link, Node
from executions.sizes import size_of


class Schedule:
    """The progress of one run through its graph. Call `ready`, then `completed` or `failed` for each of its nodes, and
    repeat until no node is ready."""

    def __init__(self, definition: GraphDefinition) -> None:
        self._nodes = {node.id: node for node in definition.nodes}
        self._links_to: dict[str, list[Link]] = defaultdict(list)
        self._followers: dict[str, set[str]] = defaultdict(set)
        for link in definition.links:
            self._links_to[link.sink_id].append(link)
            self._followers[link.source_id].add(link.sink_id)
        self._sorter = TopologicalSorter(definition.predecessors())
        self._sorter.prepare()
        self._after_failed: set[str] = set()
        self._outputs: dict[str, Outputs] = {}

    def ready(self) -> list[Node]:
        """The nodes that became ready since the last call, in the order of the definition."""
        new = set(self._sorter.get_ready())
        return [node for node_id, node in self._nodes.items() if node_id in new]

    def completed(self, node: Node, outputs: Outputs) -> None:
        """Records the outputs. Nodes that waited only for `node` become ready."""
        self._outputs[node.id] = outputs
        self._sorter.done(node.id)

    def failed(self, node: Node) -> list[Node]:
        """The nodes that will never become ready because of this one, without those that an earlier failure blocked."""
        after: set[str] = set()
        waiting = [node.id]
        while waiting:
            new = self._followers[waiting.pop()] - after - self._after_failed
            after |= new
            waiting.extend(new)
        self._after_failed |= after
        return [each for node_id, each in self._nodes.items() if node_id in after]

    def carried_bytes(self, node: Node, limit: int) -> int:
        """About the bytes that the links carry to a ready node, without joining them. Stops above `limit`."""
        total = 0
        for link in self._links_to[node.id]:
            if total <= limit:
                total += size_of(self._outputs[link.source_id].get(link.source_name), limit)
        return total

    def input_of(
        self, node: Node, block: Block, inputs: Mapping[str, Any], mask: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The input of a ready node. The node's defaults come first, then the run's mask for the node, then the inputs
        of the run or the values of the links; a later one replaces an earlier one. Raises BlockError if a field takes
        one value and the links carry another number. The block checks the values themselves."""
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
        """The outputs of the run: those of the nodes without an outgoing link, joined by name in the order of the
        nodes."""
        joined: Outputs = {}
        for node_id in self._nodes:
            if not self._followers[node_id]:
                for name, values in self._outputs.get(node_id, {}).items():
                    joined.setdefault(name, []).extend(values)
        return joined
