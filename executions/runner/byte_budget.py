"""How many bytes one run may write. Pure: no database, processes or clock.

A run may write far more than its user sends: each link copies a value into the input of a node, and each event of a
node holds its input and output. `docs/decisions/0018-budgets-of-runs.md` says how the bytes are counted.
"""

from typing import Any

from executions.sizes import size_of

INPUT_COPIES = 4  # the row, and the events QUEUED, RUNNING and the end
OUTPUT_COPIES = 2  # the row, and the event of the end


class BudgetExceeded(Exception):  # noqa: N818 - it names what happened
    """A write would pass the budget of the run. The message is for people."""


class ByteBudget:
    """What is left for one run. A charge that raises charges nothing."""

    def __init__(self, limit: int) -> None:
        self._limit, self._left = limit, limit

    def charge(self, value: Any, copies: int) -> None:
        """The run writes `copies` of the value. Raises BudgetExceeded."""
        size = copies * size_of(value, self._left)
        self.check(size)
        self._left -= size

    def check(self, size: int) -> None:
        """Raises BudgetExceeded if this number of bytes is not left."""
        if size > self._left:
            raise BudgetExceeded(
                f"The run would write more than {self._limit / 2**20:,.0f} MB, the limit of one run "
                '(EXECUTIONS["MAX_RUN_BYTES"]). Let fewer nodes take the same long value, or send a shorter one.'
            )
