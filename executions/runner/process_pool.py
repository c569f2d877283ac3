"""A bounded pool of processes that run blocks. Each process runs one node at a time.

A block may keep a core busy for a minute, never return, or crash its process. In its own process a block does not delay
the sockets of the server, it can be killed, and a crash fails one node only. (A crash breaks a whole
`concurrent.futures.ProcessPoolExecutor`.) The pool spawns processes and does not fork, because the server has threads.
It spawns a process when it is first needed. The processes load the blocks, but not Django.

Users take turns. One user gets at most `count` processes; the pool has one more, which only another user can get. So a
node waits for about one node of another user, however many wait.
"""

import atexit
import logging
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from executions.runner.block_process import BlockProcess, Outcome
from executions.runner.turns import Turns

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
    user: Hashable = None  # the tasks of different users take turns
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _process: BlockProcess | None = None  # set while the block runs
    _is_abandoned: bool = False

    def abandon(self) -> None:
        """The result is no longer wanted. A waiting task does not start; the process of a running task is killed."""
        with self._lock:
            self._is_abandoned = True
            self.data = {}  # the task may wait for long, and its input may be long
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
    """At most `count` processes for the tasks of one user, and one more for those of others. More tasks wait: those of
    one user in the order of `submit`, those of several users in turns."""

    def __init__(
        self, count: int, *, block_modules: tuple[str, ...], start_timeout: float, memory: int | None = None
    ) -> None:
        """`memory` is the limit of each process, in bytes."""
        self._new_process = partial(BlockProcess, block_modules, start_timeout, memory)
        self._threads = ThreadPoolExecutor(count + 1, thread_name_prefix="executions-block")
        self._lock = threading.Lock()
        self._turns: Turns[Hashable] = Turns(count)
        self._waiting: defaultdict[Hashable, deque[Task]] = defaultdict(deque)  # user → tasks; no empty ones
        self._idle: list[BlockProcess] = []
        self._processes: set[BlockProcess] = set()
        self._is_closed = False
        atexit.register(self.close)

    def submit(self, task: Task) -> None:
        """Runs the task when a process is free. Does nothing after `close`."""
        with self._lock:
            if not self._is_closed:
                self._waiting[task.user].append(task)
                self._threads.submit(self._work)

    def close(self) -> None:
        """Kills the processes and drops the waiting tasks. Returns at once."""
        with self._lock:
            self._is_closed = True
            self._waiting.clear()
            processes = list(self._processes)
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()
        atexit.unregister(self.close)

    def _work(self) -> None:
        """Runs waiting tasks until none may start. A task whose user has all its processes is left to their threads."""
        while task := self._take():
            try:
                self._run(task)
            finally:
                with self._lock:
                    self._turns.release(task.user)

    def _take(self) -> Task | None:
        with self._lock:
            for user in self._turns.order(self._waiting):
                tasks = self._waiting[user]
                task = tasks.popleft()
                if not tasks:
                    del self._waiting[user]
                self._turns.take(user)
                return task
        return None

    def _run(self, task: Task) -> None:
        try:
            process = self._process()
            if process is not None:
                task.run_in(process)
                self._put_back(process)
        except Exception:
            logger.exception("The embedded runner failed to run the block %s; its node becomes FAILED.", task.block_id)
            task.end(Outcome(error="The embedded runner failed; its log says why."))

    def _process(self) -> BlockProcess | None:
        """An idle process, or a new one; None if the pool was closed in the meantime."""
        with self._lock:
            while self._idle:
                process = self._idle.pop()
                if process.is_alive:
                    return process
                self._processes.discard(process)
        process = self._new_process()
        with self._lock:
            self._processes.add(process)
            if self._is_closed:
                process.kill()
        return None if self._is_closed else process

    def _put_back(self, process: BlockProcess) -> None:
        with self._lock:
            if process.is_alive:
                self._idle.append(process)
            else:
                self._processes.discard(process)
