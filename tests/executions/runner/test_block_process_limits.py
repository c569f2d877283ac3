"""The limits of a block process: memory, files, core dumps."""

import resource
import sys
from collections.abc import Iterator

import pytest

from executions.conf import DEFAULTS
from executions.runner.block_process import MAX_FILE_BYTES, MAX_OPEN_FILES, BlockProcess

BLOCKS = ("tests.executions.sample_blocks",)
MEMORY = DEFAULTS.BLOCK_MEMORY

only_where_enforced = pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not enforce RLIMIT_AS")


@pytest.fixture
def process() -> Iterator[BlockProcess]:
    process = BlockProcess(BLOCKS, start_timeout=30, memory=MEMORY)
    yield process
    process.kill()


@only_where_enforced
def test_a_block_that_needs_more_memory_fails_and_its_process_is_replaced(process: BlockProcess) -> None:
    outcome = process.run("test.memory", {"value": 2 * MEMORY}, timeout=60)
    assert outcome.error == (
        'It needed more memory than 512 MB, the limit of one block (EXECUTIONS["BLOCK_MEMORY"]). '
        "Give it less to work on."
    )
    assert not process.is_alive


@only_where_enforced
def test_many_small_objects_count_too(process: BlockProcess) -> None:
    outcome = process.run("test.objects", {"value": 10**9}, timeout=60)
    assert "the limit of one block" in (outcome.error or "")


def test_a_block_may_use_most_of_it(process: BlockProcess) -> None:
    outcome = process.run("test.memory", {"value": MEMORY // 2}, timeout=60)
    assert outcome.outputs == {"size": [MEMORY // 2]}
    assert process.is_alive


def test_the_limits_are_set(process: BlockProcess) -> None:
    outputs = process.run("test.limits", {}, timeout=60).outputs
    assert outputs is not None
    (found,) = outputs["limits"]
    assert found["core"] == 0
    assert 0 < found["fsize"] <= MAX_FILE_BYTES
    assert 0 < found["nofile"] <= MAX_OPEN_FILES


def test_the_server_keeps_its_own_limits(process: BlockProcess) -> None:
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > MAX_OPEN_FILES
    assert resource.getrlimit(resource.RLIMIT_AS)[0] != MEMORY
