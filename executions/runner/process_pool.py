"""A bounded pool of processes that run blocks. Each process runs one node at a time.

A block may keep a core busy for a minute, never return, or crash its process. In its own process a block does not delay
the sockets of the server, it can be killed, and a crash fails one node only. (A crash breaks a whole
`concurrent.futures.ProcessPoolExecutor`.) The pool spawns processes and does not fork, because the server has threads.
It spawns a process when it is first needed. The processes load the blocks, but not Django.
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
    """The work of one node. A thread of the pool calls `on_start`, then `on_end`, once each. An abandoned task calls
    neither, or only `on_start`."""

    block_id: str
    data: dict[str, Any]
    timeout: float  # seconds
    on_start: Callable[[], None]
    on_end: Callable[[Outcome], None]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _process: BlockProcess | None = None  # set while the block runs
    _is_abandoned: bool = False

    def abandon(self) -> None:
        """The result is no longer wanted. A waiting task does not start; the process of a running task is killed."""
        with self._lock:
            self._is_abandoned = True
            if self._process is not None:
                self._process.kill()

    def run_in(self, process: BlockProcess) -> None:
        with self._lock:
            if self._is_abandoned:
                return
            self._process = process
        self.on_start()
        self.end(process.run(self.block_id, self.data, self.timeout))

    def end(self, outcome: Outcome) -> None:
        with self._lock:
            self._process = None
            if self._is_abandoned:
                return
        self.on_end(outcome)


class ProcessPool:
    """At most `count` processes, one for each thread of the pool. More tasks wait in the order of `submit`."""

    def __init__(self, count: int, *, block_modules: tuple[str, ...], start_timeout: float) -> None:
        self._block_modules, self._start_timeout = block_modules, start_timeout
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="executions-block")
        self._of_thread = threading.local()  # .process: the process of this thread
        self._lock = threading.Lock()
        self._processes: set[BlockProcess] = set()
        self._is_closed = False
        atexit.register(self.close)

    def submit(self, task: Task) -> None:
        """Runs the task when a process is free. Does nothing after `close`."""
        with self._lock:
            if not self._is_closed:
                self._threads.submit(self._run, task)

    def close(self) -> None:
        """Kills the processes and drops the waiting tasks. Returns at once."""
        with self._lock:
            self._is_closed = True
            processes = list(self._processes)
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()
        atexit.unregister(self.close)

    def _run(self, task: Task) -> None:
        try:
            process = getattr(self._of_thread, "process", None)
            if process is None or not process.is_alive:
                process = self._of_thread.process = self._replace(process)
            if process is not None:
                task.run_in(process)
        except Exception:
            logger.exception("The embedded runner failed to run the block %s; its node becomes FAILED.", task.block_id)
            task.end(Outcome(error="The embedded runner failed; its log says why."))

    def _replace(self, old: BlockProcess | None) -> BlockProcess | None:
        """A new process; None if the pool was closed in the meantime."""
        process = BlockProcess(self._block_modules, self._start_timeout)
        with self._lock:
            self._processes = (self._processes - {old}) | {process}
            if self._is_closed:
                process.kill()
        return None if self._is_closed else process
