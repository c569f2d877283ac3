"""The pool between users: the tasks of one wait behind those of the others, not the others behind them."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from executions.runner.block_process import Outcome
from executions.runner.process_pool import ProcessPool, Task
from tests.executions.gates import new_gate, until_killed

pytestmark = pytest.mark.once

BLOCKS = ("tests.executions.sample_blocks",)


@pytest.fixture
def pool() -> Iterator[ProcessPool]:
    pool = ProcessPool(1, block_modules=BLOCKS, start_timeout=60)
    yield pool
    pool.close()


class Log:
    """The order in which the tasks end."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self._changed = threading.Condition()

    def task(self, user: str, block_id: str = "test.echo", **data: object) -> Task:
        return Task(block_id, dict(data), 60, lambda: None, lambda outcome: self._end(user, outcome), user=user)

    def _end(self, user: str, outcome: Outcome) -> None:
        with self._changed:
            self.ended.append(user)
            self._changed.notify_all()

    def wait_for(self, count: int) -> str:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.ended) >= count, timeout=60), self.ended
            return "".join(self.ended)


def test_another_user_gets_a_process_while_one_user_holds_all_of_theirs(pool: ProcessPool, tmp_path: Path) -> None:
    log, gate = Log(), new_gate(tmp_path / "gate")
    stuck = log.task("a", "test.wait", gate=str(gate))
    pool.submit(stuck)
    with until_killed(gate):
        for _ in range(100):
            pool.submit(log.task("a"))
        pool.submit(log.task("b"))
        assert log.wait_for(1) == "b"
        stuck.abandon()
    assert log.wait_for(101) == "b" + "a" * 100


def test_waiting_users_take_turns(pool: ProcessPool, tmp_path: Path) -> None:
    log = Log()
    gates = {user: new_gate(tmp_path / user) for user in "ab"}
    held = {user: log.task(user, "test.wait", gate=str(gate)) for user, gate in gates.items()}
    for task in held.values():
        pool.submit(task)
    with until_killed(gates["a"]):
        with until_killed(gates["b"]):  # both processes are taken, and both users have what they may have
            for user in "a" * 20 + "c" + "d":
                pool.submit(log.task(user))
            held["b"].abandon()
        assert log.wait_for(2) == "cd"
        held["a"].abandon()
    assert log.wait_for(22)[2:] == "a" * 20


def test_one_user_never_holds_more_than_the_count(pool: ProcessPool) -> None:
    log = Log()
    for _ in range(50):
        pool.submit(log.task("a"))
    log.wait_for(50)
    assert len(pool._processes) == 1


def test_a_waiting_task_that_is_abandoned_keeps_no_input(pool: ProcessPool) -> None:
    task = Log().task("a", value="x" * 1_000_000)
    task.abandon()
    assert task.data == {}
