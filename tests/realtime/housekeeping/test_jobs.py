"""The registry of jobs."""

from realtime.housekeeping.jobs import Job, all_jobs, register


def test_a_job_is_found_by_its_name_and_replaced_by_one_of_the_same_name() -> None:
    first, second = (Job("tidy", lambda: 1.0, lambda is_dry_run: iter(())) for _ in range(2))
    register(first)
    register(second)
    assert all_jobs()["tidy"] is second
    assert len(all_jobs()) == 1


def test_the_caller_gets_a_copy() -> None:
    all_jobs().clear()
    register(Job("tidy", lambda: 1.0, lambda is_dry_run: iter(())))
    all_jobs().clear()
    assert list(all_jobs()) == ["tidy"]
