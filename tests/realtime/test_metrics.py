"""The counts of a process."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from realtime import metrics
from realtime.metrics import count, counts


def test_a_count_grows_by_one_or_by_what_is_said() -> None:
    before = counts().get("errors", 0)
    count("errors")
    count("errors", 4)
    assert counts()["errors"] == before + 5


def test_threads_that_count_at_once_lose_nothing() -> None:
    before = counts().get("layer_errors", 0)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(lambda: [count("layer_errors") for _ in range(2_000)])
    assert counts()["layer_errors"] == before + 16_000


def test_who_reads_the_counts_cannot_change_them() -> None:
    count("errors")
    counts()["errors"] = -1
    assert counts()["errors"] > 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_that_is_forked_while_somebody_counts_can_count() -> None:
    with metrics._lock:  # a thread of the parent; in the child it does not exist, and never lets go
        metrics._reset_after_fork()  # what Python calls in the child
        count("errors")
