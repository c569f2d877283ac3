"""The thread of a server process."""

import os
import threading
from collections.abc import Callable, Iterator

import pytest
from pytest_django import Settings

from realtime.housekeeping import thread
from realtime.housekeeping.jobs import Counts, Job, register
from realtime.housekeeping.thread import HousekeepingThread
from realtime.models import HousekeepingJob
from tests.realtime.housekeeping.conftest import Batches
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def housekeeping(settings: Settings) -> Iterator[HousekeepingThread]:
    settings.REALTIME = {"HOUSEKEEPING_POLL": 0.01}
    each = HousekeepingThread()
    yield each
    each.join()


def threads() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "realtime-housekeeping"]


def test_it_does_what_is_due_again_and_again(housekeeping: HousekeepingThread) -> None:
    tidy = Batches({"a": 1}, interval=0.0)
    housekeeping.start()
    housekeeping.start()
    assert len(threads()) == 1
    until(lambda: tidy.finished >= 3)
    housekeeping.join()
    assert threads() == []
    assert HousekeepingJob.objects.get().total >= 3


@pytest.mark.parametrize("where", ["command", "off"])
def test_it_does_not_start_where_the_operator_chose_so(
    housekeeping: HousekeepingThread, settings: Settings, where: str
) -> None:
    settings.REALTIME = {"HOUSEKEEPING": where}
    housekeeping.start()
    assert threads() == []
    housekeeping.stop()


def test_it_stops_between_two_batches_and_gives_its_claim_back(
    housekeeping: HousekeepingThread, settings: Settings
) -> None:
    settings.REALTIME = {"HOUSEKEEPING_POLL": 0.01, "HOUSEKEEPING_SHARE": 1e-9}  # the pauses are endless
    began = threading.Event()

    def work(is_dry_run: bool) -> Iterator[Counts]:
        while True:
            began.set()
            yield {"a": 1}

    register(Job("tidy", lambda: 3600.0, work))
    housekeeping.start()
    assert began.wait(30)
    housekeeping.join()
    assert threads() == []
    row = HousekeepingJob.objects.get()
    assert (row.holder, row.total) == ("", 1)


def test_it_starts_again_after_a_stop(housekeeping: HousekeepingThread) -> None:
    tidy = Batches(interval=0.0)
    housekeeping.start()
    housekeeping.join()
    before = tidy.finished
    housekeeping.start()
    until(lambda: tidy.finished > before)


def test_a_database_that_is_away_is_logged_once(
    housekeeping: HousekeepingThread, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls = []

    def fail(pause: Callable[[float], bool]) -> None:
        calls.append(pause)
        raise OSError("away")

    monkeypatch.setattr(thread, "run_due", fail)
    housekeeping.start()
    until(lambda: len(calls) > 3)
    housekeeping.join()
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_after_a_sleep_of_the_machine_others_get_time_to_renew_their_leases(
    housekeeping: HousekeepingThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead, waits = iter([0.0, 0.0, 3_600.0, 3_600.0, 3_600.0]), []
    runs = []

    class Stop:
        def wait(self, seconds: float) -> bool:
            waits.append(seconds)
            return len(waits) == 5

    monkeypatch.setattr(thread, "_clock_ahead", lambda: next(ahead))
    monkeypatch.setattr(thread, "run_due", lambda pause: runs.append(len(waits)))
    housekeeping._run(Stop())  # type: ignore[arg-type]
    assert waits == [0.01, 0.01, thread._AFTER_SLEEP, 0.01, 0.01]
    assert runs == [1, 3, 4]


def test_a_forked_child_has_no_thread_and_may_start_one(housekeeping: HousekeepingThread) -> None:
    housekeeping.start()
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, b"none" if housekeeping._thread is None else b"one")
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as answer:
        assert answer.read() == "none"
