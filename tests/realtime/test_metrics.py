"""The counters of a process."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from realtime import metrics
from realtime.metrics import count, counts


def test_a_counter_grows_by_one_or_by_the_given_number() -> None:
    before = counts().get("errors", 0)
    count("errors")
    count("errors", 4)
    assert counts()["errors"] == before + 5


def test_concurrent_threads_lose_no_count() -> None:
    before = counts().get("layer_errors", 0)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(lambda: [count("layer_errors") for _ in range(2_000)])
    assert counts()["layer_errors"] == before + 16_000


def test_counts_are_a_copy() -> None:
    count("errors")
    counts()["errors"] = -1
    assert counts()["errors"] > 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_that_is_forked_while_a_thread_counts_can_count() -> None:
    with metrics._lock:  # as by a thread of the parent, which does not exist in the child and never releases it
        metrics._reset_after_fork()  # Python calls it in the child
        count("errors")
