"""Where a block of `sample_blocks.py` waits for the test: a named pipe, which the block reads and the test writes.

Opening one waits for the other side, so a test that has opened the gate knows that the block is there.
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
    """Begins when a block is at the gate; ends when its process is gone, so that the next one finds the gate free."""
    with gate.open("wb") as opened:
        yield
        gone = select.poll()
        gone.register(opened, 0)  # nothing but the error that there is no reader any more
        assert gone.poll(60_000)
