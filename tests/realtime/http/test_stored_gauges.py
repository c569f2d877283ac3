"""The gauges that are read from the database."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from realtime.http import stored_gauges
from realtime.models import StreamEvent
from realtime.publish import publish

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "u1|orders#7"


def read() -> dict[str, stored_gauges.Value]:
    return stored_gauges._read_log()


def leave_unnumbered(age: timedelta) -> None:
    """As a writer that died after its commit."""
    StreamEvent.objects.create(key=KEY, entity="1", method="changed", data="{}", size=2)
    StreamEvent.objects.filter(seq=None).update(created_at=timezone.now() - age)


def test_an_empty_log() -> None:
    found = read()
    assert (found["unnumbered_events"], found["unnumbered_oldest_seconds"]) == (0, 0)
    assert isinstance(found["log_bytes"], int)
    assert found["log_bytes"] > 0


def test_events_without_a_number_and_the_age_of_the_oldest() -> None:
    leave_unnumbered(timedelta(minutes=10))
    publish("u1|orders#8", "changed", "1", {})
    found = read()
    assert found["unnumbered_events"] == 1
    assert found["unnumbered_oldest_seconds"] == pytest.approx(600, abs=30)


def test_counts_end_at_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_gauges, "MAX_COUNTED", 3)
    for _ in range(5):
        leave_unnumbered(timedelta(0))
    assert read()["unnumbered_events"] == 3


@pytest.mark.sqlite
def test_events_are_estimated_by_their_ids() -> None:
    for number in range(5):
        publish(KEY, "changed", str(number), {})
    assert read()["log_events"] == 5


@pytest.mark.postgres
def test_events_are_estimated_by_the_statistics() -> None:
    for number in range(5):
        publish(KEY, "changed", str(number), {})
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE realtime_streamevent")
    assert read()["log_events"] == 5


def test_a_read_is_a_few_statements_whatever_is_stored() -> None:
    with transaction.atomic():
        for number in range(50):
            publish(KEY, "changed", str(number), {})
    with CaptureQueriesContext(connection) as queries:
        stored_gauges.read()
    assert len(queries) <= 10


def test_another_app_adds_its_gauges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_gauges, "_sources", {})

    def source() -> dict[str, stored_gauges.Value]:
        return {"leases_overdue": 1}

    stored_gauges.add_source(source)
    stored_gauges.add_source(source)
    assert stored_gauges.read() == {"leases_overdue": 1}
