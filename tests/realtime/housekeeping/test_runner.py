"""How a job is run: its pauses, its end, its errors."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from realtime.housekeeping import claims, runner
from realtime.housekeeping.jobs import Counts, Job, register
from realtime.housekeeping.runner import describe, run, run_due
from realtime.models import HousekeepingJob
from tests.realtime.conftest import Counted
from tests.realtime.housekeeping.conftest import Batches, expire, row

pytestmark = pytest.mark.django_db


def never(seconds: float) -> bool:
    return False


def test_each_due_job_runs_once_and_is_not_due_again(counted: Counted) -> None:
    tidy, wash = Batches({"a": 2}, {"a": 1, "b": 0}), Batches(name="wash")
    assert run_due(never) == {"tidy": {"a": 3}, "wash": {}}
    assert run_due(never) == {}
    assert (tidy.finished, wash.finished) == (1, 1)
    assert (row().did, row().total, row().error, row().holder) == ({"a": 3}, 3, "", "")
    assert (counted["housekeeping_runs"], counted["housekeeping_rows"]) == (2, 3)


def test_a_job_that_another_process_runs_is_left() -> None:
    tidy = Batches({"a": 2})
    claims.find_due(["tidy"])
    assert claims.claim("tidy")
    assert run_due(never) == {}
    assert run(tidy.job, never, must_be_due=False) is None
    assert tidy.began == 0


def test_a_stop_after_any_batch_keeps_what_is_done_and_leaves_the_rest_due() -> None:
    tidy = Batches({"a": 1}, {"a": 1}, {"a": 1})
    claims.find_due(["tidy"])
    assert run(tidy.job, lambda seconds: tidy.began == 2) == {"a": 2}
    assert tidy.began == 2
    assert claims.find_due(["tidy"]) == ["tidy"]
    assert row().holder == ""
    assert run_due(never) == {"tidy": {"a": 3}}


def test_after_its_seconds_nothing_more_begins() -> None:
    tidy = Batches({"a": 1}, {"a": 1})
    assert run_due(seconds=0) == {}
    assert tidy.began == 0
    assert run_due() == {"tidy": {"a": 2}}


def test_an_error_is_shown_counted_and_tried_again(counted: Counted) -> None:
    def fail(is_dry_run: bool) -> Iterator[Counts]:
        yield {"a": 4}
        raise ZeroDivisionError("of the job")

    register(Job("tidy", lambda: 0.0, fail))
    wash = Batches(name="wash")
    assert run_due(never) == {"tidy": {"a": 4}, "wash": {}}
    assert wash.finished == 1
    assert (row().error, row().did) == ("ZeroDivisionError: of the job", {"a": 4})
    assert counted["housekeeping_failed"] == 1
    assert claims.find_due(["tidy"]) == ["tidy"]
    Batches({"a": 1})
    run_due(never)
    assert row().error == ""


def test_an_interrupted_command_gives_its_claim_back() -> None:
    def interrupt(is_dry_run: bool) -> Iterator[Counts]:
        yield {"a": 4}
        raise KeyboardInterrupt

    register(Job("tidy", lambda: 3600.0, interrupt))
    with pytest.raises(KeyboardInterrupt):
        run_due(never)
    assert (row().holder, row().did) == ("", {"a": 4})
    assert claims.find_due(["tidy"]) == ["tidy"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """The clock of the runner stands still. The fixture moves it."""
    now = [1_000.0]
    monkeypatch.setattr(runner.time, "monotonic", lambda: now[0])

    def move(seconds: float) -> None:
        now[0] += seconds

    return move


def test_a_job_is_busy_for_its_share_of_the_time(clock: Callable[[float], None], settings: Settings) -> None:
    settings.REALTIME = {"HOUSEKEEPING_SHARE": 0.2, "HOUSEKEEPING_LEASE": 60.0}
    pauses = []

    def work(is_dry_run: bool) -> Iterator[Counts]:
        for seconds in (0.5, 0.1, 30.0):
            clock(seconds)
            yield {}

    def pause(seconds: float) -> bool:
        pauses.append(seconds)
        clock(seconds)
        return False

    register(Job("tidy", lambda: 3600.0, work))
    run_due(pause)
    assert pauses[1:] == pytest.approx([2.0, 0.4, 20.0])  # the first one only asks; none outlives a third of the lease


def test_a_job_whose_lease_was_lost_stops_after_its_batch(clock: Callable[[float], None]) -> None:
    began = []

    def work(is_dry_run: bool) -> Iterator[Counts]:
        for number in range(3):
            began.append(number)
            clock(50)
            HousekeepingJob.objects.update(holder="another")
            yield {"a": 1}

    register(Job("tidy", lambda: 3600.0, work))
    assert run_due(never) == {"tidy": {"a": 1}}
    assert began == [0]
    assert row().holder == "another"


def test_a_long_job_renews_its_lease_and_shows_its_progress(clock: Callable[[float], None]) -> None:
    seen: list[Any] = []

    def work(is_dry_run: bool) -> Iterator[Counts]:
        for _ in range(3):
            clock(50)
            seen.append((row().did, row().lease_expires_at > timezone.now()))
            expire()
            yield {"a": 1}

    register(Job("tidy", lambda: 3600.0, work))
    run_due(never)
    assert seen == [({}, True), ({"a": 1}, True), ({"a": 2}, True)]


def test_what_was_done_is_told_in_words() -> None:
    assert describe({"graph_exec": 1_200, "graph": 12}) == "graph 12, graph_exec 1,200"
    assert describe({}) == "nothing"
