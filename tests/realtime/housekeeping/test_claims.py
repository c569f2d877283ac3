"""A claim: one process at a time, and a lease that others take over."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from realtime.housekeeping import claims
from realtime.housekeeping.jobs import all_jobs
from realtime.models import HousekeepingJob
from tests.realtime.housekeeping.conftest import Batches, expire, row
from tests.realtime.side_by_side import side_by_side

NAMES = ["tidy", "wash"]


@pytest.mark.django_db
class TestClaim:
    def test_a_new_job_is_due_at_once(self) -> None:
        assert claims.find_due(NAMES) == NAMES
        assert claims.find_due(NAMES) == NAMES
        assert HousekeepingJob.objects.count() == 2

    def test_a_job_that_is_held_is_neither_due_nor_claimed_again(self) -> None:
        claims.find_due(NAMES)
        assert claims.claim("tidy")
        assert claims.claim("tidy") is None
        assert claims.claim("tidy", must_be_due=False) is None
        assert claims.find_due(NAMES) == ["wash"]

    def test_after_its_lease_another_process_claims_it_and_the_first_one_learns_so(self) -> None:
        claims.find_due(NAMES)
        first = claims.claim("tidy")
        assert first
        expire()
        assert "tidy" in claims.find_due(NAMES)
        second = claims.claim("tidy")
        assert second
        assert not claims.renew("tidy", first, {})
        claims.release("tidy", first, did={"a": 1}, seconds=1, error="of the first", next_in=9)
        assert (row().holder, row().error, row().total) == (second, "", 0)

    def test_a_renewal_keeps_it_and_shows_what_was_done(self) -> None:
        claims.find_due(NAMES)
        holder = claims.claim("tidy")
        assert holder
        expire()
        assert claims.renew("tidy", holder, {"events": 7})
        assert claims.claim("tidy") is None
        assert row().did == {"events": 7}

    def test_a_released_job_is_due_after_its_interval_and_its_sums_grow(self) -> None:
        claims.find_due(NAMES)
        for _ in range(2):
            holder = claims.claim("tidy", must_be_due=False)
            assert holder
            claims.release("tidy", holder, did={"a": 1, "b": 2}, seconds=0.25, error="x" * 5_000, next_in=3600)
        assert claims.find_due(NAMES) == ["wash"]
        assert claims.claim("tidy") is None
        assert (row().total, row().did, row().holder, len(row().error)) == (6, {"a": 1, "b": 2}, "", 1_000)

    def test_the_report_says_what_is_late(self, settings: Settings) -> None:
        Batches(name="tidy"), Batches(name="never_run")
        claims.find_due(["tidy"])
        HousekeepingJob.objects.update(next_at=timezone.now() - timedelta(seconds=claims.LATE + 60))

        def late() -> dict[str, bool]:
            return {each["job"]: each["late"] for each in claims.report(all_jobs())}

        assert late() == {"tidy": True, "never_run": True}
        assert claims.claim("tidy")
        assert late()["tidy"] is False
        expire()
        settings.REALTIME = {"HOUSEKEEPING": "off"}
        assert late() == {"tidy": False, "never_run": False}


@pytest.mark.django_db(transaction=True)
def test_of_many_that_claim_at_the_same_time_one_gets_the_job() -> None:
    claims.find_due(NAMES)
    found = side_by_side(*[lambda: claims.claim("tidy")] * 6)
    assert len([holder for holder in found if holder]) == 1
