"""Runs that are made up, reported as an engine would: for demonstrations and for load.

    simulator = Simulator(plan, graphs)
    simulator.start()
    while not simulator.wait(1):
        print(simulator.progress)
    simulator.close()

A few threads take what is due next from one list, and report it: through the services, or as a worker over HTTP
(`executions.simulation.reporters`). Where what they report to cannot keep up, reports come late and none is left out;
`progress` says how late.
"""

import heapq
import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from executions.graphs import GraphDefinition
from executions.models import Graph
from executions.simulation.reporters import Gone, Reporter, ServiceReporter
from executions.simulation.timeline import BLOCK, FAILURE, INPUT, OUTPUT, Moment, Plan, payload, timeline

logger = logging.getLogger(__name__)


@dataclass
class Progress:
    started: int = 0
    completed: int = 0
    failed: int = 0
    left: int = 0  # ended or deleted by somebody else, or unfinished when it was stopped
    reports: int = 0
    late: float = 0.0  # seconds that the newest report came after its time

    @property
    def ended(self) -> int:
        return self.completed + self.failed + self.left


@dataclass(eq=False)
class _Run:
    handle: Any  # the reporter's
    moments: list[Moment]
    chance: random.Random
    is_running: bool = False
    began: float = field(default_factory=time.monotonic)


@dataclass(order=True)
class _Due:
    at: float
    number: int
    work: Callable[[], None] = field(compare=False)


class Simulator:
    """`start` and `close` are called once, in this order; `stop`, `wait` and `progress` are for any thread."""

    def __init__(self, plan: Plan, graphs: Sequence[Graph], reporter: Reporter | None = None) -> None:
        self.plan = plan
        self._reporter = reporter or ServiceReporter()
        self._graphs = [(graph, GraphDefinition.model_validate(graph.definition)) for graph in graphs]
        self._random = random.Random(plan.seed)  # noqa: S311 - nothing secret hangs on it
        self._changed = threading.Condition()
        self._due: list[_Due] = []
        self._numbers = count()
        self._working = 0
        self._is_waiting_for_room = False
        self._is_stopped = False
        self._error: BaseException | None = None
        self._progress = Progress()
        self._open: set[_Run] = set()
        self._threads = [
            threading.Thread(target=self._work, name=f"simulation-{number}", daemon=True)
            for number in range(plan.threads)
        ]

    @property
    def progress(self) -> Progress:
        with self._changed:
            return replace(self._progress)

    def start(self) -> None:
        self._began = time.monotonic()
        self._put_next(0)
        for thread in self._threads:
            thread.start()

    def wait(self, seconds: float) -> bool:
        """Waits until all is done, or so long; whether it is."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """Nothing more is begun or reported, but for what is being reported at this moment."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def close(self) -> None:
        """Stops it, ends its unfinished runs as TERMINATED, and raises what a report may have raised. The reporter is
        closed for its threads, and not for this one."""
        self.stop()
        for thread in self._threads:
            thread.join()
        try:
            for run in list(self._open):
                self._terminate(run)
        except Exception as trouble:  # what cannot be reached now stays as it is
            self._error = self._error or trouble
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _terminate(self, run: _Run) -> None:
        try:
            self._reporter.report(run.handle, status="TERMINATED")
        except Gone:
            logger.debug("Run %s has ended already.", run.handle)
        self._end(run, "left")

    def _work(self) -> None:
        try:
            while (due := self._take()) is not None:
                try:
                    due.work()
                finally:
                    with self._changed:
                        self._working -= 1
                        self._changed.notify_all()
        except BaseException as error:
            self._error = error
            self.stop()
        finally:
            self._reporter.close()

    def _take(self) -> _Due | None:
        """What is due next, when it is due; None when there will be nothing more."""
        with self._changed:
            while not self._is_stopped:
                if not self._due and not self._working:
                    return None
                pause = self._due[0].at - time.monotonic() if self._due else None
                if pause is not None and pause <= 0:
                    self._working += 1
                    self._progress.late = -pause
                    return heapq.heappop(self._due)
                self._changed.wait(pause)
        return None

    def _put(self, at: float, work: Callable[[], None]) -> None:
        with self._changed:
            heapq.heappush(self._due, _Due(at, next(self._numbers), work))
            self._changed.notify_all()

    def _begin_next(self) -> None:
        plan = self.plan
        with self._changed:
            number = self._progress.started
            if len(self._open) >= plan.at_once:
                self._is_waiting_for_room = True
                return
            self._progress.started += 1
            chance = random.Random(self._random.random())  # noqa: S311 - one for each run, whoever reports it
        graph, definition = self._graphs[number % len(self._graphs)]
        task = {INPUT: f"run {number + 1}"}
        run = _Run(self._reporter.start(graph, task), timeline(definition, plan, chance), chance)
        with self._changed:
            self._open.add(run)
        self._put(run.began, lambda: self._go_on(run))
        self._put_next(number + 1)

    def _put_next(self, number: int) -> None:
        """Plans the beginning of the run of this number, from 0 on, if there is to be one."""
        plan = self.plan
        at = self._began + number / plan.rate if plan.rate else time.monotonic()
        is_over = plan.seconds is not None and max(at, time.monotonic()) - self._began >= plan.seconds
        if not is_over and (plan.runs is None or number < plan.runs):
            self._put(at, self._begin_next)

    def _go_on(self, run: _Run) -> None:
        """Reports what is next in the run, and plans what is then."""
        try:
            moment = run.moments.pop(0)
            if not run.is_running:
                self._reporter.report(run.handle, status="RUNNING")
                run.is_running = True
                self._count("reports")
            result = self._report(run, moment)
            if not run.moments:
                self._finish(run, moment, result)
                return
        except Gone:
            self._end(run, "left")
            return
        self._put(run.began + run.moments[0].at, lambda: self._go_on(run))

    def _report(self, run: _Run, moment: Moment) -> str:
        result = payload(self.plan.payload, run.chance) if moment.status == "COMPLETED" else FAILURE
        data: dict[str, Any] = (
            {"input_data": {INPUT: f"what {moment.node_id} is to do"}}
            if moment.status == "RUNNING"
            else {"output_data": {_NAMES[moment.status]: [result]}}
        )
        self._reporter.report_node(run.handle, node_id=moment.node_id, block_id=BLOCK, status=moment.status, **data)
        self._count("reports")
        return result

    def _finish(self, run: _Run, last: Moment, result: str) -> None:
        stats = {"duration": time.monotonic() - run.began, "node_error_count": int(last.status == "FAILED")}
        if last.status == "FAILED":
            self._reporter.report(run.handle, status="FAILED", stats=stats, error=f"{last.node_id}: {result}")
        else:
            self._reporter.report(run.handle, status="COMPLETED", stats=stats, outputs={OUTPUT: [result]})
        self._count("reports")
        self._end(run, "failed" if last.status == "FAILED" else "completed")

    def _count(self, what: str) -> None:
        with self._changed:
            setattr(self._progress, what, getattr(self._progress, what) + 1)

    def _end(self, run: _Run, how: str) -> None:
        with self._changed:
            self._open.discard(run)
            is_room_again, self._is_waiting_for_room = self._is_waiting_for_room, False
        self._count(how)
        if is_room_again:
            self._put_next(self._progress.started)


_NAMES = {"COMPLETED": OUTPUT, "FAILED": "error"}
