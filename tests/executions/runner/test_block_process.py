"""One block process and its answers over the pipe. `test_process_pool.py` tests the pool."""

from collections.abc import Iterator

import pytest

from executions.runner.block_process import BlockProcess

BLOCKS = ("tests.executions.sample_blocks",)


@pytest.fixture
def process() -> Iterator[BlockProcess]:
    process = BlockProcess(BLOCKS, start_timeout=30)
    yield process
    process.kill()


def test_an_outcome_has_the_outputs_and_the_time(process: BlockProcess) -> None:
    outcome = process.run("test.echo", {"value": 7}, timeout=30)
    assert outcome.error is None
    assert outcome.outputs == {"value": [7]}
    assert outcome.seconds > 0


def test_a_process_runs_many_blocks_in_sequence(process: BlockProcess) -> None:
    assert [process.run("test.echo", {"value": n}, timeout=30).outputs for n in range(3)] == [
        {"value": [n]} for n in range(3)
    ]


def test_an_unknown_block_is_an_error_and_the_process_lives(process: BlockProcess) -> None:
    outcome = process.run("test.nothing", {}, timeout=30)
    assert outcome.outputs is None
    assert "test.nothing" in (outcome.error or "")
    assert process.is_alive


def test_a_killed_process_returns_an_error() -> None:
    process = BlockProcess(BLOCKS, start_timeout=30)
    process.kill()
    outcome = process.run("test.echo", {"value": 1}, timeout=30)
    assert outcome.error
    assert not process.is_alive


def test_a_process_that_cannot_load_its_blocks_returns_the_reason() -> None:
    process = BlockProcess(("tests.executions.there_is_no_such_module",), start_timeout=30)
    outcome = process.run("test.echo", {"value": 1}, timeout=30)
    assert outcome.error
    assert not process.is_alive
    process.kill()
