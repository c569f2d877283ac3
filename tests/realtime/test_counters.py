"""The counts of a process."""

from concurrent.futures import ThreadPoolExecutor

from realtime.counters import count, counts


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
