"""The embedded runner: it claims queued executions and runs them in the server's process.

    runner.start()   # returns at once
    ...
    runner.stop()    # puts its runs back into the queue

It is the default engine, for one machine and blocks in Python. Other engines report through the same services and put
their name into `runner`. One thread claims runs and renews leases. Each run has a thread of a bounded pool, which waits
and records. The blocks run in processes of their own.

Users take turns: the next run is one of the user with the fewest runs in this process, then of the one who waits
longest. One user has at most RUNS runs in a process, which runs up to MAX_RUNS.

A run that this process queues is claimed at its commit. A run that another process queues is claimed within
`POLL_INTERVAL` seconds. A process that stops puts its runs back into the queue; the next process starts them from the
beginning. The runs of a process that dies become FAILED when their leases expire, because their progress is unknown;
`executions.housekeeping` looks for them.
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
from executions.leases import claim_next, renew_claims, waiting_users
from executions.models import GraphExecution
from executions.runner.process_pool import ProcessPool
from executions.runner.run import Run
from executions.runner.turns import Turns
from executions.signals import graph_execution_changed
from executions.statuses import ExecutionStatus

logger = logging.getLogger(__name__)


class EmbeddedRunner:
    """`start` may be called once. Several runners, in one process or many, may share a database."""

    def __init__(self) -> None:
        self._pool = ProcessPool(
            limits.BLOCK_PROCESSES,
            block_modules=tuple(limits.BLOCK_MODULES),
            start_timeout=limits.BLOCK_PROCESS_START_TIMEOUT,
            memory=limits.BLOCK_MEMORY,
        )
        self._max_runs = max(limits.RUNS, limits.MAX_RUNS)
        self._threads = ThreadPoolExecutor(self._max_runs, thread_name_prefix="executions-run")
        self._loop = threading.Thread(target=self._run_loop, name="executions-runner", daemon=True)
        self._wake = threading.Event()
        self._is_stopping = False
        self._lock = threading.Lock()
        self._runs: set[Run] = set()
        self._turns: Turns[Any] = Turns(limits.RUNS)  # of the ids of users; guarded by the lock
        self._renewed_at = 0.0

    def start(self) -> None:
        registry.load(limits.BLOCK_MODULES)
        graph_execution_changed.connect(self._on_changed)
        self._loop.start()

    def stop(self) -> None:
        """Claims no more runs, kills the block processes and puts the runs back into the queue. Returns after
        `STOP_TIMEOUT` seconds even if the database does not answer. May be called again, and without a start."""
        graph_execution_changed.disconnect(self._on_changed)
        self._is_stopping = True
        self._wake.set()
        deadline = time.monotonic() + limits.STOP_TIMEOUT
        if self._loop.is_alive():
            self._loop.join(limits.STOP_TIMEOUT)
        for run in self._own_runs():
            run.stop()
        self._threads.shutdown(wait=False)
        self._pool.close()
        while self._own_runs() and time.monotonic() < deadline:
            time.sleep(0.01)

    def _run_loop(self) -> None:
        is_failing = False
        while not self._is_stopping:
            try:
                self._maintain_and_claim()
                if is_failing:
                    logger.warning("The embedded runner works again.")
                is_failing = False
            except Exception:
                if not is_failing:  # only the first time: while the database is away, each attempt fails
                    logger.exception(
                        "The embedded runner cannot claim runs; it tries again every %g s.", limits.POLL_INTERVAL
                    )
                is_failing = True
            finally:
                close_old_connections()
            self._wake.wait(limits.POLL_INTERVAL)
            self._wake.clear()

    def _maintain_and_claim(self) -> None:
        if time.monotonic() - self._renewed_at >= limits.HEARTBEAT or not self._renewed_at:
            renew_claims([run.owner for run in self._own_runs()])
            self._renewed_at = time.monotonic()
        while not self._is_stopping and len(self._own_runs()) < self._max_runs:
            execution = self._claim()
            if execution is None:
                break
            self._start_run(Run(execution, self._pool))

    def _claim(self) -> GraphExecution | None:
        waiting = waiting_users()
        with self._lock:
            users = self._turns.order(waiting)
        return next((execution for user in users if (execution := claim_next(user))), None)

    def _start_run(self, run: Run) -> None:
        with self._lock:
            self._runs.add(run)
            self._turns.take(run.execution.user_id)
        self._threads.submit(self._go, run)

    def _go(self, run: Run) -> None:
        try:
            run.go()
        finally:
            with self._lock:
                self._runs.discard(run)
                self._turns.release(run.execution.user_id)
            self._wake.set()  # the loop can claim the next run

    def _own_runs(self) -> list[Run]:
        with self._lock:
            return list(self._runs)

    def _on_changed(
        self, event: GraphExecutionEvent | None = None, events: Sequence[GraphExecutionEvent] = (), **kwargs: Any
    ) -> None:
        changes = [event] if event is not None else events
        if any(change.status == ExecutionStatus.QUEUED for change in changes):
            transaction.on_commit(self._wake.set)
        no_longer_running = {change.id for change in changes if change.status != ExecutionStatus.RUNNING}
        for run in self._own_runs():
            if str(run.execution.pk) in no_longer_running:
                transaction.on_commit(run.check)
