"""Which status may follow which, for executions and node executions alike.

    INCOMPLETE ─► QUEUED ─► RUNNING ─► COMPLETED
                    ▲          │ ├───► FAILED
                    │          │ └───► TERMINATED ─► QUEUED, RUNNING
                    └─ REVIEW ◄┘

COMPLETED and FAILED are final; TERMINATED is not, since a stopped run may be queued again.
"""

from collections.abc import Iterable
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

MAY_FOLLOW: dict[ExecutionStatus, frozenset[ExecutionStatus]] = {
    _S.INCOMPLETE: frozenset(),
    _S.QUEUED: frozenset({_S.INCOMPLETE, _S.TERMINATED, _S.REVIEW}),
    _S.RUNNING: frozenset({_S.INCOMPLETE, _S.QUEUED, _S.TERMINATED, _S.REVIEW}),
    _S.COMPLETED: frozenset({_S.RUNNING}),
    _S.FAILED: frozenset({_S.INCOMPLETE, _S.QUEUED, _S.RUNNING, _S.REVIEW}),
    _S.TERMINATED: frozenset({_S.INCOMPLETE, _S.QUEUED, _S.RUNNING, _S.REVIEW}),
    _S.REVIEW: frozenset({_S.RUNNING}),
}
"""New status → the old ones that it may follow. Keeping a status is always allowed."""

ENDED = frozenset({_S.COMPLETED, _S.FAILED, _S.TERMINATED})
"""Nothing more happens by itself in these."""


class IllegalTransition(ValueError):  # noqa: N818 - the name is public API
    """A status that may not follow the present one.

    Attributes: `old`, `new` (ExecutionStatus), `allowed` (what may follow `old`, in the order of the enum).
    """

    def __init__(self, old: ExecutionStatus, new: ExecutionStatus) -> None:
        self.old, self.new, self.allowed = old, new, followers(old)
        rest = ", ".join(self.allowed) if self.allowed else "nothing: it is final"
        super().__init__(f"{new} may not follow {old}. What may follow {old}: {rest}.")


def followers(old: ExecutionStatus) -> tuple[ExecutionStatus, ...]:
    """What may follow `old`, in the order of the enum."""
    return tuple(new for new in ExecutionStatus if old in MAY_FOLLOW[new])


def may_precede(new: ExecutionStatus) -> frozenset[ExecutionStatus]:
    """The statuses that a row may have when it is written with `new`, `new` itself included."""
    return MAY_FOLLOW[new] | {new}


def check_transition(old: ExecutionStatus | str, new: ExecutionStatus | str) -> None:
    """Raises IllegalTransition unless `new` may follow `old` or equals it."""
    old, new = ExecutionStatus(old), ExecutionStatus(new)
    if old not in may_precede(new):
        raise IllegalTransition(old, new)


def check_transitions(olds: Iterable[ExecutionStatus | str], new: ExecutionStatus | str) -> None:
    """`check_transition` for many rows that get the same status."""
    for old in olds:
        check_transition(old, new)
