"""What a run cost: measured in the workers and on the run's own thread."""

import time

from executions.events import GraphExecutionEvent
from executions.runner.block_process import Outcome

MAX_ERRORS = 3  # of which `stats.error` tells; the nodes tell of all


class RunStats:
    """Begins when it is made; used by the thread of the run alone."""

    def __init__(self) -> None:
        self._began, self._thread_began = time.monotonic(), time.thread_time()
        self._stats = GraphExecutionEvent.Stats()
        self._errors: list[str] = []

    def add(self, outcome: Outcome) -> None:
        """A node ran, well or not."""
        self._stats.node_exec_count += 1
        self._stats.node_exec_time += outcome.seconds
        self._stats.node_exec_time_cpu_only += outcome.cpu_seconds

    def add_error(self, name: str, error: str) -> None:
        """A node failed, with or without having run."""
        self._stats.node_error_count += 1
        self._errors.append(f"{name}: {error}")

    def summary(self) -> GraphExecutionEvent.Stats:
        """`duration_cpu_only` is the processor time of the nodes and of the thread that recorded them."""
        stats = self._stats.model_copy()
        stats.duration = time.monotonic() - self._began
        stats.duration_cpu_only = stats.node_exec_time_cpu_only + time.thread_time() - self._thread_began
        if self._errors:
            more = len(self._errors) - MAX_ERRORS
            stats.error = " ".join(self._errors[:MAX_ERRORS]) + (f" And {more} more." if more > 0 else "")
        return stats
