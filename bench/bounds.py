"""The limits that Runwire should keep: of its own figures, or of their ratios to a peer's. Nothing is asserted."""

from collections.abc import Mapping
from dataclasses import dataclass

from bench.rows import Figures

Medians = Mapping[tuple[str, str], Figures]
"""The figures by row and target."""


@dataclass(frozen=True)
class Figure:
    row: str
    target: str
    name: str

    def of(self, medians: Medians) -> float | None:
        return medians.get((self.row, self.target), {}).get(self.name)


@dataclass(frozen=True)
class Bound:
    """A limit on `ours`, or on `ours` divided by `theirs`. `required` and `goal` are upper limits, or lower ones with
    `is_lower`."""

    text: str
    ours: Figure
    theirs: Figure | None
    required: float
    goal: float
    is_lower: bool = False
    unit: str = "×"

    def value(self, medians: Medians) -> float | None:
        ours = self.ours.of(medians)
        theirs = self.theirs.of(medians) if self.theirs else 1.0
        return None if ours is None or not theirs else ours / theirs

    def outcome(self, medians: Medians) -> str:
        value = self.value(medians)
        if value is None:
            return "not measured"
        if any(medians[each.row, each.target].get("loss") for each in (self.ours, self.theirs) if each):
            return "void: frames were lost"
        for limit, word in ((self.goal, "reached"), (self.required, "met")):
            if value >= limit if self.is_lower else value <= limit:
                return word
        return "NOT MET"


def _ratio(text: str, ours: tuple[str, str, str], theirs: tuple[str, str, str], required: float, goal: float) -> Bound:
    return Bound(text, Figure(*ours), Figure(*theirs), required, goal)


_RECORD = ("record", "runwire")
BOUNDS = (
    _ratio(
        "fan-out, CPU a frame: uvicorn, against the FastAPI design",
        ("fanout", "runwire-uvicorn", "cpu_us"),
        ("fanout", "fastapi", "cpu_us"),
        1.0,
        0.8,
    ),
    _ratio(
        "fan-out, CPU a frame: our server, against raw ASGI on stock Daphne",
        ("fanout", "runwire", "cpu_us"),
        ("fanout", "raw-daphne", "cpu_us"),
        1.0,
        0.5,
    ),
    _ratio(
        "one-to-one, CPU a frame: uvicorn, against the FastAPI design",
        ("one", "runwire-uvicorn", "cpu_us"),
        ("one", "fastapi", "cpu_us"),
        1.2,
        0.9,
    ),
    _ratio(
        "one-to-one, CPU a frame: our server, against plain Channels on Daphne",
        ("one", "runwire", "cpu_us"),
        ("one", "channels-daphne", "cpu_us"),
        0.6,
        0.4,
    ),
    _ratio(
        "p99 commit to frame: uvicorn, against the FastAPI design's publish to frame",
        ("one", "runwire-uvicorn", "p99_ms"),
        ("one", "fastapi", "p99_ms"),
        2,
        1.2,
    ),
    _ratio(
        "record one event in the caller, against plain save + async_to_sync(group_send)",
        (*_RECORD, "recorded_ms"),
        (*_RECORD, "group_send_ms"),
        0.6,
        0.4,
    ),
    _ratio(
        "record one event in the caller, against plain save",
        (*_RECORD, "recorded_ms"),
        (*_RECORD, "plain_ms"),
        2.5,
        1.8,
    ),
    _ratio(
        "record one of a batch of 100, against plain save",
        (*_RECORD, "batch_ms"),
        (*_RECORD, "plain_ms"),
        1.0,
        0.5,
    ),
    _ratio(
        "memory a socket: our server, against plain Channels on Daphne",
        ("sockets", "runwire", "kib_a_socket"),
        ("sockets", "channels-daphne", "kib_a_socket"),
        0.85,
        0.7,
    ),
    Bound(
        "connects and subscribes a second: our server, against plain Channels on Daphne",
        Figure("sockets", "runwire", "connects_s"),
        Figure("sockets", "channels-daphne", "connects_s"),
        1.3,
        2,
        is_lower=True,
    ),
    _ratio(
        "CPU a frame with ten times the sockets",
        ("scale", "runwire", "many_us"),
        ("scale", "runwire", "few_us"),
        1.2,
        1.05,
    ),
    Bound("storm, a stream each: our server", Figure("storm-many", "runwire", "seconds"), None, 8, 4, unit="s"),
    Bound("storm, a stream each: uvicorn", Figure("storm-many", "runwire-uvicorn", "seconds"), None, 5, 3, unit="s"),
    _ratio(
        "storm on one stream, against a stream each: our server",
        ("storm-one", "runwire", "seconds"),
        ("storm-many", "runwire", "seconds"),
        0.7,
        0.4,
    ),
    _ratio(
        "storm on one stream, against a stream each: uvicorn",
        ("storm-one", "runwire-uvicorn", "seconds"),
        ("storm-many", "runwire-uvicorn", "seconds"),
        0.7,
        0.4,
    ),
    _ratio(
        "replay: our server, against SELECT and raw sends on Daphne",
        ("replay", "runwire", "seconds"),
        ("replay", "raw-daphne", "seconds"),
        3,
        1.5,
    ),
    _ratio(
        "replay: uvicorn, against SELECT and raw sends on uvicorn",
        ("replay", "runwire-uvicorn", "seconds"),
        ("replay", "raw-uvicorn", "seconds"),
        3,
        1.5,
    ),
    Bound("idle: CPU of our server", Figure("idle", "runwire", "percent"), None, 5, 2, unit="% of a core"),
)
