"""Fixtures of the tests of the housekeeping: a registry of its own, and jobs that do what a test says."""

from collections.abc import Iterator

import pytest

from realtime.housekeeping import jobs
from realtime.housekeeping.jobs import Counts, Job, register


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_jobs", {})


class Batches:
    """A job that yields the given counts, and notes how far it came."""

    def __init__(self, *batches: Counts, name: str = "tidy", interval: float = 3600.0) -> None:
        self.batches, self.began, self.finished = batches, 0, 0
        self.job = Job(name, lambda: interval, self.run)
        register(self.job)

    def run(self, is_dry_run: bool) -> Iterator[Counts]:
        for counts in self.batches:
            self.began += 1
            yield counts
        self.finished += 1
