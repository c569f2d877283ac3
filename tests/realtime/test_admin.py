"""The admin pages of streams and events: all rows, read only."""

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from realtime.admin import CappedPaginator
from realtime.log import store
from realtime.log.types import EventDraft, StreamRef
from realtime.models import HousekeepingJob, Stream, StreamEvent
from realtime.publish import publish
from realtime.publishing.recording import record_events

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "u1|orders#7"
STREAMS, EVENTS = "admin:realtime_stream", "admin:realtime_streamevent"
JOBS = "admin:realtime_housekeepingjob"


@pytest.fixture
def admin(client: Client, transactional_db: None) -> Client:
    client.force_login(User.objects.create(username="admin", is_staff=True, is_superuser=True))
    return client


def test_streams_and_events_are_listed(admin: Client) -> None:
    publish(KEY, "order_changed", "order", {"n": "<b>"})
    store.insert([EventDraft("order_changed", "{}", (StreamRef("u1|orders#8", "order"),))])
    assert KEY in admin.get(reverse(f"{STREAMS}_changelist")).content.decode()
    page = admin.get(reverse(f"{EVENTS}_changelist")).content.decode()
    assert KEY in page
    assert "u1|orders#8 (not numbered yet)" in page


@pytest.mark.parametrize("list_of", [STREAMS, EVENTS])
def test_lists_can_be_searched(admin: Client, list_of: str) -> None:
    publish(KEY, "order_changed", "order", {})
    publish("u1|letters#1", "letter_changed", "letter", {})
    page = admin.get(reverse(f"{list_of}_changelist"), {"q": "orders"}).content.decode()
    assert KEY in page
    assert "u1|letters#1" not in page


def test_a_long_list_needs_as_many_queries_as_a_short_one(admin: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert admin.get(reverse(f"{EVENTS}_changelist")).status_code == 200
        return len(captured)

    publish(KEY, "order_changed", "order", {})
    few = queries()
    record_events([EventDraft("order_changed", "{}", (StreamRef(f"u1|orders#{n}", "order"),)) for n in range(50)])
    assert queries() == few


@pytest.mark.parametrize("list_of", [STREAMS, EVENTS])
@pytest.mark.parametrize("search", [{}, {"q": "orders"}])
def test_no_list_counts_all_rows_or_selects_distinct_values(
    admin: Client, list_of: str, search: dict[str, str]
) -> None:
    """With a million events, such a query takes a second or more."""
    record_events([EventDraft("order_changed", "{}", (StreamRef(f"u1|orders#{n}", "order"),)) for n in range(120)])
    with CaptureQueriesContext(connection) as captured:
        assert admin.get(reverse(f"{list_of}_changelist"), search).status_code == 200
    own = [each["sql"] for each in captured if "realtime_" in each["sql"]]
    assert len(own) == 2
    assert all("LIMIT" in sql and "DISTINCT" not in sql for sql in own)


def test_a_list_shows_at_most_max_count_rows(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CappedPaginator, "MAX_COUNT", 3)
    record_events([EventDraft("order_changed", "{}", (StreamRef(f"u1|orders#{n}", "order"),)) for n in range(5)])
    page = admin.get(reverse(f"{STREAMS}_changelist")).content.decode()
    assert [n for n in range(5) if f"orders#{n}" in page] != []
    assert "3 streams" in page


def test_a_stream_and_an_event_can_be_viewed(admin: Client) -> None:
    record_events([EventDraft("changed", '{"n":1}', (StreamRef(KEY, "a"), StreamRef("u1|letters#1", "b")))])
    for list_of, rows in ((STREAMS, Stream.objects.all()), (EVENTS, StreamEvent.objects.all())):
        for row in rows:
            assert admin.get(reverse(f"{list_of}_change", args=[row.pk])).status_code == 200


@pytest.mark.parametrize("list_of", [STREAMS, EVENTS])
def test_nothing_can_be_added_changed_or_deleted(admin: Client, list_of: str) -> None:
    publish(KEY, "order_changed", "order", {})
    row = (Stream if list_of == STREAMS else StreamEvent).objects.get()
    before = list(Stream.objects.values()), list(StreamEvent.objects.values())
    assert admin.get(reverse(f"{list_of}_add")).status_code == 403
    assert admin.post(reverse(f"{list_of}_add"), {"key": "k"}).status_code == 403
    assert admin.post(reverse(f"{list_of}_change", args=[row.pk]), {"key": "k"}).status_code == 403
    assert admin.post(reverse(f"{list_of}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    admin.post(
        reverse(f"{list_of}_changelist"), {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"}
    )
    assert (list(Stream.objects.values()), list(StreamEvent.objects.values())) == before


def test_the_jobs_of_the_housekeeping_are_listed_and_read_only(admin: Client) -> None:
    HousekeepingJob.objects.create(
        name="old_events", did={"graph": 1_200, "orders": 3}, total=5_000, holder="host:7:abc", error="ValueError: no"
    )
    page = admin.get(reverse(f"{JOBS}_changelist")).content.decode()
    for text in ("old_events", "graph 1,200, orders 3", "5000", "host:7:abc", "ValueError: no"):
        assert text in page
    assert admin.get(reverse(f"{JOBS}_add")).status_code == 403
    assert admin.post(reverse(f"{JOBS}_delete", args=["old_events"]), {"post": "yes"}).status_code == 403
