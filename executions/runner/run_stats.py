"""The cost of a run, measured in the block processes and in the thread of the run."""

import time

from executions.events import GraphExecutionEvent
from executions.runner.block_process import Outcome

MAX_ERRORS = 3  # that `stats.error` quotes; each node has its own error


class RunStats:
    """The clock starts at construction. Only the thread of the run uses it."""

    def __init__(self) -> None:
        self._started_at, self._thread_started_at = time.monotonic(), time.thread_time()
        self._stats = GraphExecutionEvent.Stats()
        self._errors: list[str] = []

    def add(self, outcome: Outcome) -> None:
        """Counts a node that ran, whether it succeeded or failed."""
        self._stats.node_exec_count += 1
        self._stats.node_exec_time += outcome.seconds
        self._stats.node_exec_time_cpu_only += outcome.cpu_seconds

    def add_error(self, name: str, error: str) -> None:
        """Counts a node that failed, whether it ran or not."""
        self._stats.node_error_count += 1
        self._errors.append(f"{name}: {error}")

    def summary(self) -> GraphExecutionEvent.Stats:
        """Times are seconds. `duration_cpu_only` is the CPU time of the nodes and of the thread of the run."""
        stats = self._stats.model_copy()
        stats.duration = time.monotonic() - self._started_at
        stats.duration_cpu_only = stats.node_exec_time_cpu_only + time.thread_time() - self._thread_started_at
        if self._errors:
            more = len(self._errors) - MAX_ERRORS
            stats.error = " ".join(self._errors[:MAX_ERRORS]) + (f" And {more} more." if more > 0 else "")
        return stats
