"""The registry of jobs. Pure."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

Counts = Mapping[str, int]
"""What a batch did: a word for what was removed or changed → how many."""


@dataclass(frozen=True)
class Job:
    name: str
    interval: Callable[[], float]  # seconds from the end of a run to the next; read at each use
    # Works in batches, each a short transaction of its own or less, and yields what each did. The caller may stop after
    # any batch; the next run begins anew. Called with True it changes nothing, and counts what it would do.
    run: Callable[[bool], Iterator[Counts]]


_jobs: dict[str, Job] = {}


def register(job: Job) -> None:
    """Adds a job. One with the same name is replaced."""
    _jobs[job.name] = job


def all_jobs() -> dict[str, Job]:
    """The registered jobs by name."""
    return dict(_jobs)
