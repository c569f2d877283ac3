"""The pool with real processes: blocks that return, raise, crash and never end."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from executions.runner.block_process import MAX_ERROR_LENGTH, Outcome
from executions.runner.process_pool import ProcessPool, Task
from tests.executions.gates import until_killed

pytestmark = pytest.mark.once

BLOCKS = ("tests.executions.sample_blocks",)


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPool]:
    pool = ProcessPool(2, block_modules=BLOCKS, start_timeout=60)
    yield pool
    pool.close()


class Work:
    """A submitted task and its callbacks."""

    def __init__(self, pool: ProcessPool, block_id: str, timeout: float = 60.0, **data: Any) -> None:
        self.started = threading.Event()
        self.outcomes: SimpleQueue[Outcome] = SimpleQueue()
        self.task = Task(block_id, data, timeout, self.started.set, self.outcomes.put)
        pool.submit(self.task)

    @property
    def outcome(self) -> Outcome:
        return self.outcomes.get(timeout=60)


def test_a_block_runs_in_a_process_of_its_own(pool: ProcessPool) -> None:
    work = Work(pool, "test.pid")

    assert work.outcome.outputs not in (None, {"pid": [os.getpid()]})
    assert work.started.is_set()


def test_the_time_is_measured_in_the_process(pool: ProcessPool) -> None:
    outcome = Work(pool, "text.words", text="one two " * 20_000).outcome

    assert 0 < outcome.cpu_seconds <= outcome.seconds * 1.5


def test_two_blocks_run_at_the_same_time(pool: ProcessPool, tmp_path: Path) -> None:
    mine, other = str(tmp_path / "a"), str(tmp_path / "b")
    os.mkfifo(mine)
    os.mkfifo(other)

    first = Work(pool, "test.meet", mine=mine, other=other)
    second = Work(pool, "test.meet", mine=other, other=mine)

    assert first.outcome.outputs != second.outcome.outputs


@pytest.mark.parametrize(
    ("block_id", "value", "error"),
    [
        ("test.refuse", None, "There is nothing to do here."),
        ("test.raise", None, "ZeroDivisionError: oh <b>"),
        ("test.raise", "SystemExit", "SystemExit: oh <b>"),
        ("test.raise", "KeyboardInterrupt", "KeyboardInterrupt: oh <b>"),
        ("test.raise_unreadable", None, "UnreadableError: its message cannot be read"),
        ("test.return", "no list", 'The block "test.return" must return a list for each name, and did not.'),
        ("test.return", "too much", "It returned 5.0 MB; 4 MB are the most."),
        ("no.such.block", None, 'There is no block "no.such.block".'),
    ],
)
def test_an_exception_of_a_block_becomes_a_readable_error(
    pool: ProcessPool, block_id: str, value: Any, error: str
) -> None:
    outcome = Work(pool, block_id, value=value).outcome

    assert (outcome.outputs, outcome.error) == (None, error)


def test_outputs_that_cannot_be_pickled_are_an_error(pool: ProcessPool) -> None:
    error = Work(pool, "test.return", value="a function").outcome.error

    assert error
    assert error.startswith("It returned what cannot be carried to the server: ")


def test_only_an_unexpected_error_has_a_traceback(pool: ProcessPool) -> None:
    assert "in raise_" in (Work(pool, "test.raise", value=None).outcome.details or "")
    assert Work(pool, "test.refuse", value=None).outcome.details is None


def test_long_error_messages_are_cut(pool: ProcessPool) -> None:
    error = Work(pool, "x" * 5_000).outcome.error

    assert error
    assert len(error) <= MAX_ERROR_LENGTH + 2


def test_a_crashed_process_fails_only_its_own_task(pool: ProcessPool, gate: Path) -> None:
    waiting = Work(pool, "test.wait", gate=str(gate), value="still here")

    assert Work(pool, "test.die").outcome.error == "Its process ended with code 3 before the block was done."
    assert Work(pool, "test.echo", value=1).outcome.outputs == {"value": [1]}
    gate.write_bytes(b"open")
    assert waiting.outcome.outputs == {"value": ["still here"]}


def test_a_block_that_exceeds_its_timeout_is_stopped(pool: ProcessPool) -> None:
    assert Work(pool, "test.spin", timeout=0.2).outcome.error == "It took longer than 0.2 s and was stopped."
    assert Work(pool, "test.echo", value=1).outcome.outputs == {"value": [1]}


def test_an_abandoned_task_is_killed_and_reports_no_outcome(pool: ProcessPool, gate: Path) -> None:
    abandoned = Work(pool, "test.wait", gate=str(gate))
    with until_killed(gate):
        abandoned.task.abandon()
        others = [Work(pool, "test.pid") for _ in range(4)]

        assert all(other.outcome.outputs for other in others)
    assert abandoned.outcomes.empty()


def test_a_waiting_task_that_is_abandoned_never_starts() -> None:
    pool = ProcessPool(1, block_modules=BLOCKS, start_timeout=60)
    try:
        first = Work(pool, "test.spin", timeout=0.2)
        second = Work(pool, "test.echo", value=1)
        second.task.abandon()
        third = Work(pool, "test.echo", value=3)

        assert first.outcome.error
        assert third.outcome.outputs == {"value": [3]}
        assert not second.started.is_set()
    finally:
        pool.close()


def test_closing_the_pool_kills_running_blocks_and_rejects_new_tasks() -> None:
    pool = ProcessPool(1, block_modules=BLOCKS, start_timeout=60)
    busy = Work(pool, "test.spin")
    assert busy.started.wait(60)

    pool.close()

    assert busy.outcome.error == "Its process was killed by SIGKILL before the block was done."
    assert Work(pool, "test.echo").outcomes.empty()


def test_blocks_that_cannot_be_loaded_are_an_error_of_the_task() -> None:
    pool = ProcessPool(1, block_modules=("tests.executions.no_such_blocks",), start_timeout=60)
    try:
        error = Work(pool, "text.words", text="x").outcome.error
    finally:
        pool.close()

    assert error == "The blocks could not be loaded: No module named 'tests.executions.no_such_blocks'"


def test_the_processes_end_when_the_server_is_killed() -> None:
    server = """
import threading
from executions.runner.process_pool import Task, ProcessPool
from tests.executions.gates import new_gate, until_killed
if __name__ == "__main__":
    pool = ProcessPool(2, block_modules=("tests.executions.sample_blocks",), start_timeout=60)
    busy, idle = threading.Event(), threading.Event()
    pool.submit(Task("test.spin", {}, 3600.0, busy.set, print))
    pool.submit(Task("test.pid", {}, 60.0, int, lambda outcome: idle.set()))
    busy.wait(), idle.wait()
    print("ready", flush=True)
    threading.Event().wait()
"""
    with subprocess.Popen([sys.executable, "-c", server], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        process.kill()
        assert process.stdout.read() == b""  # EOF when the last child has closed its end
