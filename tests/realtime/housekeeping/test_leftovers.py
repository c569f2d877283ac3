"""What dead writers left is numbered, and ended streams are removed, without any socket."""

import pytest
from django.db import transaction

from realtime.housekeeping.leftovers import number_leftovers
from realtime.log import store
from realtime.log.types import END, EventDraft, StreamRef
from realtime.models import Stream, StreamEvent
from realtime.publish import publish

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def leftovers() -> None:
    publish("u1|orders#1", "changed", "order", {})
    publish("u1|orders#2", "changed", "order", {})
    with transaction.atomic():
        store.insert([EventDraft("changed", "{}", (StreamRef("u1|orders#1", "order"),))])
        store.insert([EventDraft(END, "null", (StreamRef("u1|orders#2", ""),))])


@pytest.mark.usefixtures("leftovers")
@pytest.mark.parametrize("batch", [1, 100])
def test_events_get_their_numbers_and_ended_streams_go(monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    for module in ("realtime.housekeeping.leftovers", "realtime.publishing.leftovers"):
        monkeypatch.setattr(f"{module}.BATCH_SIZE", batch)
    found = [counts["streams"] for counts in number_leftovers(True)]
    assert sum(found) == 2
    assert Stream.objects.count() == 2
    assert sum(counts["streams"] for counts in number_leftovers(False)) == 2
    assert list(Stream.objects.values_list("key", "head")) == [("u1|orders#1", 2)]
    assert StreamEvent.objects.count() == 2
    assert sum(counts["streams"] for counts in number_leftovers(False)) == 0
