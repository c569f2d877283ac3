"""Gates: a block of `sample_blocks.py` waits at a gate until the test opens it.

A gate is a named pipe. The block reads it and the test writes to it. Opening a pipe waits for the other side. So a test
that has opened the gate knows that the block is running.
"""

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def new_gate(path: Path) -> Path:
    os.mkfifo(path)
    return path


@contextmanager
def until_killed(gate: Path) -> Iterator[None]:
    """Starts when a block waits at the gate. Ends when the process of the block is gone, so that the next block can use
    the gate."""
    with gate.open("wb") as opened:
        yield
        gone = select.poll()
        gone.register(opened, 0)  # reports only the error that there is no reader any more
        assert gone.poll(60_000)
