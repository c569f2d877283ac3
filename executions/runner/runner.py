"""The embedded runner: takes queued executions and runs them in this process, beside the server.

    runner.start()   # returns at once
    ...
    runner.stop()    # its runs go back to the queue

It is the embedded default, for one machine and real blocks in Python; other engines report through the same services,
and name themselves in `runner`. One thread claims, renews leases and looks after the runs of processes that are gone;
each run has a thread of a bounded pool, which waits and records; the blocks work in processes of their own.

A run that is queued in this process is taken at its commit, one that is queued elsewhere `POLL_INTERVAL` later. A
process that is stopped gives its runs back, and they begin anew in the next; one that dies leaves them to be FAILED
when their leases have expired, since nobody knows how far they came.
"""

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import close_old_connections, transaction

from executions.blocks import registry
from executions.conf import limits
from executions.events import GraphExecutionEvent
from executions.leases import claim_next, fail_expired, renew_claims
from executions.runner.process_pool import ProcessPool
from executions.runner.run import Run
from executions.signals import graph_execution_changed
from executions.statuses import ExecutionStatus

logger = logging.getLogger(__name__)


class EmbeddedRunner:
    """Can be started once. Several may work on one database, in one process or many."""

    def __init__(self) -> None:
        self._workers = ProcessPool(
            limits.BLOCK_PROCESSES,
            block_modules=tuple(limits.BLOCK_MODULES),
            start_timeout=limits.BLOCK_PROCESS_START_TIMEOUT,
        )
        self._threads = ThreadPoolExecutor(limits.RUNS, thread_name_prefix="executions-run")
        self._loop = threading.Thread(target=self._look_after, name="executions-runner", daemon=True)
        self._wake = threading.Event()
        self._is_stopping = False
        self._lock = threading.Lock()
        self._runs: set[Run] = set()
        self._renewed_at = 0.0

    def start(self) -> None:
        registry.load(limits.BLOCK_MODULES)
        graph_execution_changed.connect(self._on_changed)
        self._loop.start()

    def stop(self) -> None:
        """Claims nothing more, kills what the workers do, gives the runs back and returns; after `STOP_TIMEOUT` even if
        the database does not answer. May be called again, and without a start."""
        graph_execution_changed.disconnect(self._on_changed)
        self._is_stopping = True
        self._wake.set()
        deadline = time.monotonic() + limits.STOP_TIMEOUT
        if self._loop.is_alive():
            self._loop.join(limits.STOP_TIMEOUT)
        for run in self._own_runs():
            run.stop()
        self._threads.shutdown(wait=False)
        self._workers.close()
        while self._own_runs() and time.monotonic() < deadline:
            time.sleep(0.01)

    def _look_after(self) -> None:
        is_failing = False
        while not self._is_stopping:
            try:
                self._turn()
                if is_failing:
                    logger.warning("The embedded runner works again.")
                is_failing = False
            except Exception:
                if not is_failing:  # the first time is enough: with the database away, it is one a second
                    logger.exception("The embedded runner fails; it tries again every %g s.", limits.POLL_INTERVAL)
                is_failing = True
            finally:
                close_old_connections()
            self._wake.wait(limits.POLL_INTERVAL)
            self._wake.clear()

    def _turn(self) -> None:
        if time.monotonic() - self._renewed_at >= limits.HEARTBEAT or not self._renewed_at:
            # Ours first: a machine that slept may find its own leases expired.
            renew_claims([run.owner for run in self._own_runs()])
            if count := fail_expired():
                logger.warning("%d runs of processes that are gone have failed.", count)
            self._renewed_at = time.monotonic()
        while not self._is_stopping and len(self._own_runs()) < limits.RUNS:
            execution = claim_next()
            if execution is None:
                break
            self._begin(Run(execution, self._workers))

    def _begin(self, run: Run) -> None:
        with self._lock:
            self._runs.add(run)
        self._threads.submit(self._go, run)

    def _go(self, run: Run) -> None:
        try:
            run.go()
        finally:
            with self._lock:
                self._runs.discard(run)
            self._wake.set()  # there is room for the next

    def _own_runs(self) -> list[Run]:
        with self._lock:
            return list(self._runs)

    def _on_changed(
        self, event: GraphExecutionEvent | None = None, events: Sequence[GraphExecutionEvent] = (), **kwargs: Any
    ) -> None:
        changes = [event] if event is not None else events
        if any(change.status == ExecutionStatus.QUEUED for change in changes):
            transaction.on_commit(self._wake.set)
        left = {change.id for change in changes if change.status != ExecutionStatus.RUNNING}
        for run in self._own_runs():
            if str(run.execution.pk) in left:
                transaction.on_commit(run.check)
