"""Blocks in processes of their own: real ones, which are killed, die and never end."""

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
from tests.executions.gates import new_gate, until_killed

pytestmark = pytest.mark.once

BLOCKS = ("tests.executions.sample_blocks",)


@pytest.fixture(scope="module")
def workers() -> Iterator[ProcessPool]:
    workers = ProcessPool(2, block_modules=BLOCKS, start_timeout=60)
    yield workers
    workers.close()


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return new_gate(tmp_path / "gate")


class Work:
    """A submitted task, and what is heard of it."""

    def __init__(self, workers: ProcessPool, block_id: str, timeout: float = 60.0, **data: Any) -> None:
        self.started = threading.Event()
        self.outcomes: SimpleQueue[Outcome] = SimpleQueue()
        self.task = Task(block_id, data, timeout, self.started.set, self.outcomes.put)
        workers.submit(self.task)

    @property
    def outcome(self) -> Outcome:
        return self.outcomes.get(timeout=60)


def test_a_block_runs_in_a_process_of_its_own(workers: ProcessPool) -> None:
    work = Work(workers, "test.pid")

    assert work.outcome.outputs not in (None, {"pid": [os.getpid()]})
    assert work.started.is_set()


def test_what_it_took_is_measured_in_the_process(workers: ProcessPool) -> None:
    outcome = Work(workers, "text.words", text="one two " * 20_000).outcome

    assert 0 < outcome.cpu_seconds <= outcome.seconds * 1.5


def test_two_blocks_run_at_the_same_time(workers: ProcessPool, tmp_path: Path) -> None:
    mine, other = str(tmp_path / "a"), str(tmp_path / "b")
    os.mkfifo(mine)
    os.mkfifo(other)

    first = Work(workers, "test.meet", mine=mine, other=other)
    second = Work(workers, "test.meet", mine=other, other=mine)

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
def test_whatever_a_block_raises_is_an_error_that_a_person_reads(
    workers: ProcessPool, block_id: str, value: Any, error: str
) -> None:
    outcome = Work(workers, block_id, value=value).outcome

    assert (outcome.outputs, outcome.error) == (None, error)


def test_what_a_block_returns_must_be_carried(workers: ProcessPool) -> None:
    error = Work(workers, "test.return", value="a function").outcome.error

    assert error
    assert error.startswith("It returned what cannot be carried to the server: ")


def test_an_unexpected_error_comes_with_its_traceback_and_an_expected_one_without(workers: ProcessPool) -> None:
    assert "in raise_" in (Work(workers, "test.raise", value=None).outcome.details or "")
    assert Work(workers, "test.refuse", value=None).outcome.details is None


def test_endless_messages_are_cut(workers: ProcessPool) -> None:
    error = Work(workers, "x" * 5_000).outcome.error

    assert error
    assert len(error) <= MAX_ERROR_LENGTH + 2


def test_a_process_that_dies_takes_nothing_else_with_it(workers: ProcessPool, gate: Path) -> None:
    waiting = Work(workers, "test.wait", gate=str(gate), value="still here")

    assert Work(workers, "test.die").outcome.error == "Its process ended with code 3 before the block was done."
    assert Work(workers, "test.echo", value=1).outcome.outputs == {"value": [1]}
    gate.write_bytes(b"open")
    assert waiting.outcome.outputs == {"value": ["still here"]}


def test_a_block_that_never_ends_is_stopped(workers: ProcessPool) -> None:
    assert Work(workers, "test.spin", timeout=0.2).outcome.error == "It took longer than 0.2 s and was stopped."
    assert Work(workers, "test.echo", value=1).outcome.outputs == {"value": [1]}


def test_an_abandoned_block_is_killed_and_nothing_is_heard_of_it(workers: ProcessPool, gate: Path) -> None:
    abandoned = Work(workers, "test.wait", gate=str(gate))
    with until_killed(gate):
        abandoned.task.abandon()
        others = [Work(workers, "test.pid") for _ in range(4)]

        assert all(other.outcome.outputs for other in others)
    assert abandoned.outcomes.empty()


def test_a_task_that_is_abandoned_before_its_turn_never_starts() -> None:
    workers = ProcessPool(1, block_modules=BLOCKS, start_timeout=60)
    try:
        first = Work(workers, "test.spin", timeout=0.2)
        second = Work(workers, "test.echo", value=1)
        second.task.abandon()
        third = Work(workers, "test.echo", value=3)

        assert first.outcome.error
        assert third.outcome.outputs == {"value": [3]}
        assert not second.started.is_set()
    finally:
        workers.close()


def test_a_closed_pool_waits_for_nobody() -> None:
    workers = ProcessPool(1, block_modules=BLOCKS, start_timeout=60)
    busy = Work(workers, "test.spin")
    assert busy.started.wait(60)

    workers.close()

    assert busy.outcome.error == "Its process was killed by SIGKILL before the block was done."
    assert Work(workers, "test.echo").outcomes.empty()


def test_blocks_that_cannot_be_loaded_are_an_error_of_the_node() -> None:
    workers = ProcessPool(1, block_modules=("tests.executions.no_such_blocks",), start_timeout=60)
    try:
        error = Work(workers, "text.words", text="x").outcome.error
    finally:
        workers.close()

    assert error == "The blocks could not be loaded: No module named 'tests.executions.no_such_blocks'"


def test_the_processes_end_with_the_server_even_if_it_is_killed() -> None:
    server = """
import threading
from executions.runner.process_pool import Task, ProcessPool
from tests.executions.gates import new_gate, until_killed
if __name__ == "__main__":
    workers = ProcessPool(2, block_modules=("tests.executions.sample_blocks",), start_timeout=60)
    busy, idle = threading.Event(), threading.Event()
    workers.submit(Task("test.spin", {}, 3600.0, busy.set, print))
    workers.submit(Task("test.pid", {}, 60.0, int, lambda outcome: idle.set()))
    busy.wait(), idle.wait()
    print("ready", flush=True)
    threading.Event().wait()
"""
    with subprocess.Popen([sys.executable, "-c", server], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        process.kill()
        assert process.stdout.read() == b""  # ends when the last of them has let go of it
