"""Simulates runs and reports them as an engine does, for demonstrations and load.

    simulator = Simulator(plan, graphs)
    simulator.start()
    while not simulator.wait(1):
        print(simulator.progress)
    simulator.close()

A few threads take the next action from a shared queue and report it through a reporter
(`executions.simulation.reporters`). If the database or server cannot keep up, reports are late, but none is left out.
`progress` has the delay.
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
from executions.simulation.reporters import Reporter, RunGone, ServiceReporter
from executions.simulation.timeline import BLOCK, FAILURE, INPUT, OUTPUT, Plan, TimelineEntry, payload, timeline

logger = logging.getLogger(__name__)


@dataclass
class SimulationProgress:
    started: int = 0
    completed: int = 0
    failed: int = 0
    abandoned: int = 0  # ended or deleted by others, or unfinished at the stop
    reports: int = 0
    delay: float = 0.0  # seconds between the planned time of the newest action and its start

    @property
    def ended(self) -> int:
        return self.completed + self.failed + self.abandoned


@dataclass(eq=False)
class _Run:
    handle: Any  # of the reporter
    entries: list[TimelineEntry]
    rng: random.Random
    is_running: bool = False
    started_at: float = field(default_factory=time.monotonic)


@dataclass(order=True)
class _ScheduledAction:
    at: float
    number: int  # orders actions of the same time
    work: Callable[[], None] = field(compare=False)


class Simulator:
    """Call `start`, then `close`, once each. Any thread may use `stop`, `wait` and `progress`."""

    def __init__(self, plan: Plan, graphs: Sequence[Graph], reporter: Reporter | None = None) -> None:
        self.plan = plan
        self._reporter = reporter or ServiceReporter()
        self._graphs = [(graph, GraphDefinition.model_validate(graph.definition)) for graph in graphs]
        self._random = random.Random(plan.seed)  # noqa: S311 - not for secrets
        self._changed = threading.Condition()
        self._scheduled: list[_ScheduledAction] = []
        self._numbers = count()
        self._active = 0  # actions that a thread performs now
        self._is_at_limit = False
        self._is_stopped = False
        self._error: BaseException | None = None
        self._progress = SimulationProgress()
        self._open_runs: set[_Run] = set()
        self._threads = [
            threading.Thread(target=self._work, name=f"simulation-{number}", daemon=True)
            for number in range(plan.threads)
        ]

    @property
    def progress(self) -> SimulationProgress:
        with self._changed:
            return replace(self._progress)

    def start(self) -> None:
        self._started_at = time.monotonic()
        self._schedule_next(0)
        for thread in self._threads:
            thread.start()

    def wait(self, seconds: float) -> bool:
        """Waits until all runs have ended, for at most `seconds`. Returns whether they have."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """Starts and reports nothing more. Reports that are being sent now are completed."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def close(self) -> None:
        """Stops, ends the unfinished runs as TERMINATED, and raises the first error of a report. Closes the reporter
        for its threads, but not for the caller's thread."""
        self.stop()
        for thread in self._threads:
            thread.join()
        try:
            for run in list(self._open_runs):
                self._terminate(run)
        except Exception as error:  # the other runs stay as they are
            self._error = self._error or error
        first_error, self._error = self._error, None
        if first_error is not None:
            raise first_error

    def _terminate(self, run: _Run) -> None:
        try:
            self._reporter.report(run.handle, status="TERMINATED")
        except RunGone:
            logger.debug("Run %s has ended already.", run.handle)
        self._end(run, "abandoned")

    def _work(self) -> None:
        try:
            while (action := self._take()) is not None:
                try:
                    action.work()
                finally:
                    with self._changed:
                        self._active -= 1
                        self._changed.notify_all()
        except BaseException as error:
            self._error = error
            self.stop()
        finally:
            self._reporter.close()

    def _take(self) -> _ScheduledAction | None:
        """Waits for the time of the next action, and returns it. None when there are no more actions."""
        with self._changed:
            while not self._is_stopped:
                if not self._scheduled and not self._active:
                    return None
                pause = self._scheduled[0].at - time.monotonic() if self._scheduled else None
                if pause is not None and pause <= 0:
                    self._active += 1
                    self._progress.delay = -pause
                    return heapq.heappop(self._scheduled)
                self._changed.wait(pause)
        return None

    def _schedule(self, at: float, work: Callable[[], None]) -> None:
        with self._changed:
            heapq.heappush(self._scheduled, _ScheduledAction(at, next(self._numbers), work))
            self._changed.notify_all()

    def _start_next(self) -> None:
        plan = self.plan
        with self._changed:
            number = self._progress.started
            if len(self._open_runs) >= plan.at_once:
                self._is_at_limit = True
                return
            self._progress.started += 1
            rng = random.Random(self._random.random())  # noqa: S311 - its own, so that threads do not change it
        graph, definition = self._graphs[number % len(self._graphs)]
        inputs = {INPUT: f"run {number + 1}"}
        run = _Run(self._reporter.start(graph, inputs), timeline(definition, plan, rng), rng)
        with self._changed:
            self._open_runs.add(run)
        self._schedule(run.started_at, lambda: self._report_next(run))
        self._schedule_next(number + 1)

    def _schedule_next(self, number: int) -> None:
        """Schedules the start of the run with this number, counted from 0, if the plan has one."""
        plan = self.plan
        at = self._started_at + number / plan.rate if plan.rate else time.monotonic()
        is_over = plan.seconds is not None and max(at, time.monotonic()) - self._started_at >= plan.seconds
        if not is_over and (plan.runs is None or number < plan.runs):
            self._schedule(at, self._start_next)

    def _report_next(self, run: _Run) -> None:
        """Reports the next entry of the run's timeline, and schedules the one after it."""
        try:
            entry = run.entries.pop(0)
            if not run.is_running:
                self._reporter.report(run.handle, status="RUNNING")
                run.is_running = True
                self._count("reports")
            result = self._report(run, entry)
            if not run.entries:
                self._finish(run, entry, result)
                return
        except RunGone:
            self._end(run, "abandoned")
            return
        self._schedule(run.started_at + run.entries[0].at, lambda: self._report_next(run))

    def _report(self, run: _Run, entry: TimelineEntry) -> str:
        result = payload(self.plan.payload, run.rng) if entry.status == "COMPLETED" else FAILURE
        data: dict[str, Any] = (
            {"input_data": {INPUT: f"what {entry.node_id} is to do"}}
            if entry.status == "RUNNING"
            else {"output_data": {_OUTPUT_NAMES[entry.status]: [result]}}
        )
        self._reporter.report_node(run.handle, node_id=entry.node_id, block_id=BLOCK, status=entry.status, **data)
        self._count("reports")
        return result

    def _finish(self, run: _Run, last: TimelineEntry, result: str) -> None:
        stats = {"duration": time.monotonic() - run.started_at, "node_error_count": int(last.status == "FAILED")}
        if last.status == "FAILED":
            self._reporter.report(run.handle, status="FAILED", stats=stats, error=f"{last.node_id}: {result}")
        else:
            self._reporter.report(run.handle, status="COMPLETED", stats=stats, outputs={OUTPUT: [result]})
        self._count("reports")
        self._end(run, "failed" if last.status == "FAILED" else "completed")

    def _count(self, counter: str) -> None:
        with self._changed:
            setattr(self._progress, counter, getattr(self._progress, counter) + 1)

    def _end(self, run: _Run, counter: str) -> None:
        with self._changed:
            self._open_runs.discard(run)
            was_at_limit, self._is_at_limit = self._is_at_limit, False
        self._count(counter)
        if was_at_limit:
            self._schedule_next(self._progress.started)


_OUTPUT_NAMES = {"COMPLETED": OUTPUT, "FAILED": "error"}
