"""Gates: named pipes at which a block of `sample_blocks.py` waits for the test. The block reads, the test writes.

Opening a pipe waits for the other side, so a test that has opened the gate knows that the block waits.
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
    """Enters when a block waits at the gate. Exits when the process of the block is dead, so the gate is free again."""
    with gate.open("wb") as opened:
        yield
        gone = select.poll()
        gone.register(opened, 0)  # only the error that the last reader is gone
        assert gone.poll(60_000)
