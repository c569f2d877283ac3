"""Runs one block by its id, for the tests of the blocks."""

from typing import Any

import pytest

from executions.blocks.registry import BlockError, Outputs, find_block


def run(block_id: str, **data: Any) -> Outputs:
    """The outputs of the block for this input."""
    found = find_block(block_id)
    assert found
    return found.run(data)


def error_of(block_id: str, **data: Any) -> str:
    """The message of the BlockError for this input."""
    with pytest.raises(BlockError) as caught:
        run(block_id, **data)
    return str(caught.value)
