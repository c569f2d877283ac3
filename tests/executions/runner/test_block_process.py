"""One worker process: what comes back over the pipe, whatever a block does. `test_workers.py` is about the pool."""

from collections.abc import Iterator

import pytest

from executions.runner.block_process import BlockProcess

BLOCKS = ("tests.executions.sample_blocks",)


@pytest.fixture
def worker() -> Iterator[BlockProcess]:
    worker = BlockProcess(BLOCKS, start_timeout=30)
    yield worker
    worker.kill()


def test_a_block_answers_with_its_outputs_and_what_they_cost(worker: BlockProcess) -> None:
    outcome = worker.run("test.echo", {"value": 7}, timeout=30)
    assert outcome.error is None
    assert outcome.outputs == {"value": [7]}
    assert outcome.seconds > 0


def test_one_worker_does_one_block_after_the_other(worker: BlockProcess) -> None:
    assert [worker.run("test.echo", {"value": n}, timeout=30).outputs for n in range(3)] == [
        {"value": [n]} for n in range(3)
    ]


def test_a_block_that_does_not_exist_is_an_error_and_not_the_end(worker: BlockProcess) -> None:
    outcome = worker.run("test.nothing", {}, timeout=30)
    assert outcome.outputs is None
    assert "test.nothing" in (outcome.error or "")
    assert worker.is_alive


def test_a_killed_worker_says_so() -> None:
    worker = BlockProcess(BLOCKS, start_timeout=30)
    worker.kill()
    outcome = worker.run("test.echo", {"value": 1}, timeout=30)
    assert outcome.error
    assert not worker.is_alive


def test_blocks_that_cannot_be_loaded_make_a_worker_that_says_why() -> None:
    worker = BlockProcess(("tests.executions.there_is_no_such_module",), start_timeout=30)
    outcome = worker.run("test.echo", {"value": 1}, timeout=30)
    assert outcome.error
    assert not worker.is_alive
    worker.kill()
