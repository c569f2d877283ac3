"""What a simulated run does, and when: the shape of its graph, and its reports from its beginning to its end. Pure.

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
MAX_PAYLOAD = 500_000  # bytes; with what else an event says, below what one event may weigh
_LAYER = 3  # nodes

Shape = Literal["chain", "fan", "layers"]


@dataclass(frozen=True)
class Plan:
    """What to simulate. Times are seconds. Without `runs` and `seconds` it goes on until it is stopped."""

    rate: float = 1.0  # runs that begin a second; 0 is as fast as it goes
    runs: int | None = None
    seconds: float | None = None  # after which no more runs begin
    node_seconds: float = 1.0  # that a node takes on average
    payload: int = 1_000  # bytes that each node puts out
    failures: float = 0.05  # the share of the runs in which a node fails
    at_once: int = 100  # runs that are under way; the next one waits
    threads: int = 4  # that report
    seed: int | None = None


@dataclass(frozen=True, order=True)
class Moment:
    """A node's report: RUNNING, COMPLETED or FAILED."""

    at: float  # seconds since the run began
    place: int  # of the node in the graph, so that moments of one time have an order
    node_id: str
    status: str


def graph_of(shape: Shape, nodes: int) -> GraphDefinition:
    """One node after the other; a first, many side by side, and a last; or layers, each of which waits for all of the
    one before."""
    ids = [f"step-{number}" for number in range(1, nodes + 1)]
    if shape == "chain":
        layers = [[id] for id in ids]
    elif shape == "fan":
        layers = [ids[:1], ids[1:-1], ids[1:][-1:]]
    else:
        layers = [ids[first : first + _LAYER] for first in range(0, nodes, _LAYER)]
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


def timeline(definition: GraphDefinition, plan: Plan, chance: random.Random) -> list[Moment]:
    """The reports of one run, in order: a node begins when those before it are done. The last is a FAILED if the run
    is to fail."""
    before = definition.predecessors()
    failing = chance.choice(definition.nodes).id if chance.random() < plan.failures else None
    ends: dict[str, float] = {}
    moments = []
    for place, node in enumerate(definition.nodes):  # our graphs name a node after those that it waits for
        start = max((ends[each] for each in before[node.id]), default=0.0)
        ends[node.id] = start + (chance.expovariate(1 / plan.node_seconds) if plan.node_seconds else 0.0)
        end = "FAILED" if node.id == failing else "COMPLETED"
        moments += [Moment(start, place, node.id, "RUNNING"), Moment(ends[node.id], place, node.id, end)]
    # By time; at one time a node's end comes behind its own beginning, and before those that wait for it.
    moments.sort(key=lambda moment: (moment.at, moment.place, moment.status != "RUNNING"))
    until = next((index for index, moment in enumerate(moments) if moment.status == "FAILED"), len(moments))
    return moments[: until + 1]


def payload(size: int, chance: random.Random) -> str:
    """So many bytes of letters."""
    return "".join(chance.choices("etaoin shrdlu", k=size))
