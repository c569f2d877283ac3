"""The inputs that a run of a graph takes."""

from dataclasses import replace

from executions.blocks.registry import Field, find_block
from executions.graphs import GraphDefinition


def run_fields(definition: GraphDefinition) -> dict[str, Field]:
    """The inputs of a run of this graph, by name: the fields of the nodes without an incoming link. Unknown blocks have
    no fields."""
    linked = {link.sink_id for link in definition.links}
    fields: dict[str, Field] = {}
    for node in definition.nodes:
        block = None if node.id in linked else find_block(node.block_id)
        for name, field in (block.fields if block else {}).items():
            if name in node.input_default:
                field = replace(field, is_required=False, default=node.input_default[name])
            fields.setdefault(name, field)
    return fields
