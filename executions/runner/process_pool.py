"""The processes that blocks run in: a bounded number, each with one node at a time.

A block may keep a core busy for a minute, never return, or take its process down. In a process of its own it does not
hold up the sockets of the server, it can be stopped, and its end is the end of one node and of nothing else; a shared
pool of processes would be broken by it for all. Processes are spawned, not forked, since the server has threads, and
only when they are first needed. They load the blocks and not Django.
"""

import atexit
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from executions.runner.block_process import BlockProcess, Outcome

logger = logging.getLogger(__name__)


@dataclass
class Task:
    """One node's work. `on_start` and `on_end` are called from a thread of the pool, once each, in this order; an
    abandoned task calls neither, or only the first."""

    block_id: str
    data: dict[str, Any]
    timeout: float  # seconds
    on_start: Callable[[], None]
    on_end: Callable[[Outcome], None]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _worker: BlockProcess | None = None
    _is_abandoned: bool = False

    def abandon(self) -> None:
        """Nobody waits for it any more: it does not start, or its process is killed."""
        with self._lock:
            self._is_abandoned = True
            if self._worker is not None:
                self._worker.kill()

    def run_in(self, worker: BlockProcess) -> None:
        with self._lock:
            if self._is_abandoned:
                return
            self._worker = worker
        self.on_start()
        self.end(worker.run(self.block_id, self.data, self.timeout))

    def end(self, outcome: Outcome) -> None:
        with self._lock:
            self._worker = None
            if self._is_abandoned:
                return
        self.on_end(outcome)


class ProcessPool:
    """A pool of `count` processes, each kept by a thread. More tasks than that wait in the order they came in."""

    def __init__(self, count: int, *, block_modules: tuple[str, ...], start_timeout: float) -> None:
        self._block_modules, self._start_timeout = block_modules, start_timeout
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="executions-worker")
        self._own = threading.local()  # .worker: the process of this thread
        self._lock = threading.Lock()
        self._workers: set[BlockProcess] = set()
        self._is_closed = False
        atexit.register(self.close)

    def submit(self, task: Task) -> None:
        """Runs the task when a process is free. Nothing happens after `close`."""
        with self._lock:
            if not self._is_closed:
                self._threads.submit(self._run, task)

    def close(self) -> None:
        """Kills the processes and drops what waits; nothing is waited for, beyond what the dead leave behind."""
        with self._lock:
            self._is_closed = True
            workers = list(self._workers)
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in workers:
            worker.kill()
        atexit.unregister(self.close)

    def _run(self, task: Task) -> None:
        try:
            worker = getattr(self._own, "worker", None)
            if worker is None or not worker.is_alive:
                worker = self._own.worker = self._replace(worker)
            if worker is not None:
                task.run_in(worker)
        except Exception:
            logger.exception("A worker of the embedded runner failed.")
            task.end(Outcome(error="The embedded runner failed; its log says why."))

    def _replace(self, old: BlockProcess | None) -> BlockProcess | None:
        """A new process; None if the pool was closed meanwhile."""
        worker = BlockProcess(self._block_modules, self._start_timeout)
        with self._lock:
            self._workers = (self._workers - {old}) | {worker}
            if self._is_closed:
                worker.kill()
        return None if self._is_closed else worker
