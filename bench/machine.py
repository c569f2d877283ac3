"""Reads CPU time and memory of a process from the kernel, and sets the cores that it runs on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORES = set(CORES[:1])
LOAD_CORES = set(CORES[1:]) or SERVER_CORES


@contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """Processes that start inside the block run on these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_seconds(pid: int) -> float:
    """CPU seconds of all living threads of a process, with a resolution of a nanosecond."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def memory_bytes(pid: int) -> int:
    """Proportional set size: the memory of the process, with its share of shared pages."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("The kernel reports no Pss.")
