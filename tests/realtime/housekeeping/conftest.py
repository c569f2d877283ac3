"""Fixtures of the tests of the housekeeping: a registry of its own, jobs that do what a test says, and their rows."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from realtime.housekeeping import jobs
from realtime.housekeeping.jobs import Counts, Job, register
from realtime.models import HousekeepingJob


@pytest.fixture(autouse=True)
def own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_jobs", {})


def row(name: str = "tidy") -> HousekeepingJob:
    return HousekeepingJob.objects.get(name=name)


def expire() -> None:
    """The leases end."""
    HousekeepingJob.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))


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
