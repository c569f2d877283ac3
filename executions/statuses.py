"""Which status may follow which, for executions and node executions.

    INCOMPLETE ─► QUEUED ─► RUNNING ─► COMPLETED
                    ▲          │ ├───► FAILED
                    │          │ └───► TERMINATED ─► QUEUED, RUNNING
                    └─ REVIEW ◄┘

`ALLOWED` is the full table. COMPLETED and FAILED are final. TERMINATED is not, because a stopped run may be queued
again.
"""

from enum import StrEnum


class ExecutionStatus(StrEnum):
    INCOMPLETE = "INCOMPLETE"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    TERMINATED = "TERMINATED"
    FAILED = "FAILED"
    REVIEW = "REVIEW"


_S = ExecutionStatus

# fmt: off
ALLOWED: dict[ExecutionStatus, frozenset[ExecutionStatus]] = {
    # from               to
    _S.INCOMPLETE: frozenset({_S.QUEUED, _S.RUNNING,                          _S.FAILED, _S.TERMINATED}),
    _S.QUEUED:     frozenset({           _S.RUNNING,                          _S.FAILED, _S.TERMINATED}),
    _S.RUNNING:    frozenset({                       _S.REVIEW, _S.COMPLETED, _S.FAILED, _S.TERMINATED}),
    _S.REVIEW:     frozenset({_S.QUEUED, _S.RUNNING,                          _S.FAILED, _S.TERMINATED}),
    _S.TERMINATED: frozenset({_S.QUEUED, _S.RUNNING}),
    _S.COMPLETED:  frozenset(),
    _S.FAILED:     frozenset(),
}
"""Old status → the new statuses that may follow it. A status may always stay as it is."""
# fmt: on

ENDED = frozenset({_S.COMPLETED, _S.FAILED, _S.TERMINATED})
"""A run with one of these statuses does not continue by itself."""

_ALLOWED_BEFORE = {new: frozenset({new, *(old for old in _S if new in ALLOWED[old])}) for new in _S}


class IllegalTransition(ValueError):  # noqa: N818 - the name is public API
    """A status that may not follow the current one.

    Attributes: `old`, `new` (ExecutionStatus), `allowed` (what may follow `old`, in the order of the enum).
    """

    def __init__(self, old: ExecutionStatus, new: ExecutionStatus) -> None:
        self.old, self.new, self.allowed = old, new, allowed_after(old)
        rest = ", ".join(self.allowed) if self.allowed else "nothing: it is final"
        super().__init__(f"{new} may not follow {old}. What may follow {old}: {rest}.")


def allowed_after(old: ExecutionStatus) -> tuple[ExecutionStatus, ...]:
    """The statuses that may follow `old`, in the order of the enum. `old` itself is not one of them."""
    return tuple(new for new in ExecutionStatus if new in ALLOWED[old])


def allowed_before(new: ExecutionStatus) -> frozenset[ExecutionStatus]:
    """The statuses that a row may have when `new` is written to it. `new` itself is one of them."""
    return _ALLOWED_BEFORE[new]


def check_transition(old: ExecutionStatus | str, new: ExecutionStatus | str) -> None:
    """Raises IllegalTransition unless `new` may follow `old` or equals it."""
    old, new = ExecutionStatus(old), ExecutionStatus(new)
    if old not in allowed_before(new):
        raise IllegalTransition(old, new)
