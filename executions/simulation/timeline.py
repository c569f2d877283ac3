"""The graph and the timeline of a simulated run: which node is reported when. Pure.

The same seed gives the same runs.
"""

import random
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from executions.graphs import GraphDefinition, Link, Node

BLOCK: Final = "simulated.work"
INPUT: Final = "task"
OUTPUT: Final = "result"
FAILURE: Final = "It was simulated that this fails."

MAX_NODES = 500
MAX_PAYLOAD = 500_000  # bytes; with the rest of the event, below the size limit of an event
_LAYER_SIZE = 3  # nodes

Shape = Literal["chain", "fan", "layers"]


@dataclass(frozen=True)
class Plan:
    """The options of a simulation. Times are seconds. Without `runs` and `seconds` it runs until it is stopped."""

    rate: float = 1.0  # runs started a second; 0 means as fast as possible
    runs: int | None = None
    seconds: float | None = None  # no run starts later
    node_seconds: float = 1.0  # mean duration of a node
    payload: int = 1_000  # bytes in the output of each node
    failures: float = 0.05  # share of the runs that fail, 0 to 1
    at_once: int = 100  # most open runs; the next one waits
    threads: int = 4  # threads that report
    seed: int | None = None


@dataclass(frozen=True, order=True)
class TimelineEntry:
    """One report of a node: RUNNING, COMPLETED or FAILED."""

    at: float  # seconds since the start of the run
    position: int  # of the node in the graph; orders entries of the same time
    node_id: str
    status: str


def graph_of(shape: Shape, nodes: int) -> GraphDefinition:
    """A graph of this shape. "chain": one node after another. "fan": a first node, parallel nodes, a last node.
    "layers": layers of three nodes; each node waits for the whole layer before it."""
    ids = [f"step-{number}" for number in range(1, nodes + 1)]
    if shape == "chain":
        layers = [[id] for id in ids]
    elif shape == "fan":
        layers = [ids[:1], ids[1:-1], ids[1:][-1:]]
    else:
        layers = [ids[first : first + _LAYER_SIZE] for first in range(0, nodes, _LAYER_SIZE)]
    layers = [layer for layer in layers if layer]
    return GraphDefinition(
        nodes=[Node(id=id, block_id=BLOCK, title=id.replace("-", " ").capitalize()) for id in ids],
        links=[
            Link(source_id=source, source_name=OUTPUT, sink_id=sink, sink_name=INPUT)
            for before, after in pairwise(layers)
            for source in before
            for sink in after
        ],
    )


def timeline(definition: GraphDefinition, plan: Plan, rng: random.Random) -> list[TimelineEntry]:
    """The reports of one run, in order. A node starts when the nodes before it have ended. If the run fails, the last
    entry is FAILED."""
    before = definition.predecessors()
    failing = rng.choice(definition.nodes).id if rng.random() < plan.failures else None
    ends: dict[str, float] = {}
    entries = []
    for position, node in enumerate(definition.nodes):  # graph_of lists a node after those it waits for
        start = max((ends[each] for each in before[node.id]), default=0.0)
        ends[node.id] = start + (rng.expovariate(1 / plan.node_seconds) if plan.node_seconds else 0.0)
        end = "FAILED" if node.id == failing else "COMPLETED"
        entries += [
            TimelineEntry(start, position, node.id, "RUNNING"),
            TimelineEntry(ends[node.id], position, node.id, end),
        ]
    # At the same time, a node's end comes after its start, and before the start of nodes that wait for it.
    entries.sort(key=lambda entry: (entry.at, entry.position, entry.status != "RUNNING"))
    last = next((index for index, entry in enumerate(entries) if entry.status == "FAILED"), len(entries))
    return entries[: last + 1]


def payload(size: int, rng: random.Random) -> str:
    """A text of this many bytes."""
    return "".join(rng.choices("etaoin shrdlu", k=size))
