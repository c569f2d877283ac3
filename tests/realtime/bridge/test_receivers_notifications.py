"""A snapshot of a user's notifications shows each unread one whole, whatever has happened and been pruned before."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from django.contrib.auth.models import User
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from executions.models import Notification
from executions.services import mark_read, notify_user
from realtime import streams
from realtime.log.integrity import inspect_streams
from realtime.log.replay import newest_by_entity, read_each
from realtime.publishing.after_commit import numbered_head
from realtime.wire.event import Event
from tests.realtime.hub.changes import prune_all

pytestmark = pytest.mark.django_db(transaction=True)

Frame = dict[str, Any]
STEPS = ("create", "read", "mark unread", "mark unread one by one", "delete", "prune")
EXTRA = {"read": True, "notification": {"read": True}, "id": "8"}


def key_of(user: User) -> str:
    return streams.notifications(str(user.pk))


def snapshot(user: User) -> list[Frame]:
    """The frames that a client with numbers gets."""
    stream = numbered_head(key_of(user))
    seqs, _ = newest_by_entity(stream.id, after=0, head=stream.head, limit=1_000)
    events = [Event(seq, method, data, None, id=id) for seq, method, data, id in read_each(stream.id, seqs)]
    return [json.loads(event.numbered_frame) for event in events]


def unread(frames: Iterable[Frame]) -> dict[str, Any]:
    """The unread notifications as a client knows them that has these frames: id → payload."""
    known: dict[str, Any] = {}
    for frame in frames:
        data = frame["data"]
        if frame["method"] == "notification":
            known[frame["id"]] = data
        elif data.get("read") is False:
            known |= dict.fromkeys(data["ids"], data["notification"])
        else:
            for id in data["ids"]:
                known.pop(id, None)
    return known


def stored_unread(user: User) -> dict[str, Any]:
    rows = Notification.objects.filter(user=user, read_at__isnull=True)
    return {str(row.pk): {**row.extra, "type": row.type, "event": row.event} for row in rows}


def take(step: str, user: User, which: int) -> None:
    rows = Notification.objects.filter(user=user).order_by("created_at", "pk")
    if step == "create":
        notify_user(user, type="info", event=f"{which}", **EXTRA)
    elif step == "prune":
        prune_all(key_of(user))
    elif found := rows[which : which + 1].first():
        if step == "read":
            mark_read(user, [found.pk])
        elif step == "mark unread":
            rows.filter(pk=found.pk).update(read_at=None)
        elif step == "mark unread one by one":
            found.read_at = None
            found.save(update_fields=["read_at"])
        else:
            found.delete()


@hypothesis_settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 2)), max_size=12))
def test_a_snapshot_shows_each_unread_notification_whole(steps: list[tuple[str, int]]) -> None:
    user = User.objects.create(username=f"u{User.objects.count()}")
    for step, which in [*(("create", 0),) * 2, *steps]:
        take(step, user, which)
    for _ in range(2):
        frames = snapshot(user)
        assert unread(frames) == stored_unread(user)
        assert [faults for _, faults in inspect_streams([key_of(user)])] == [[]]
        prune_all(key_of(user))


def test_a_read_notification_does_not_come_back_as_new(user: User) -> None:
    read, again = (notify_user(user, type="info", event=text, **EXTRA) for text in ("read", "again"))
    mark_read(user)
    Notification.objects.filter(pk=again.pk).update(read_at=None)
    before = [(frame["method"], frame["data"]["ids"], frame["data"]["read"]) for frame in snapshot(user)]
    assert before == [
        ("notification_read", [str(read.pk)], True),
        ("notification_read", [str(again.pk)], False),
    ]
    prune_all(key_of(user))
    (left,) = snapshot(user)
    assert left["data"] == {
        "ids": [str(again.pk)],
        "read": False,
        "notification": {"type": "info", "event": "again", **EXTRA},
    }
    assert "id" not in left


def test_an_unread_notification_is_told_with_its_present_text(user: User) -> None:
    row = notify_user(user, type="info", event="old")
    mark_read(user)
    Notification.objects.update(event="new", read_at=None)
    assert unread(snapshot(user)) == {str(row.pk): {"type": "info", "event": "new"}}
