"""Notifications send a signal when they are created, marked as read or marked as unread, and at no other change."""

import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from executions.events import NotificationEvent, NotificationPayload, NotificationRead
from executions.models import Notification
from tests.executions.conftest import InThread, Received, wait_for_blocked_transaction

pytestmark = pytest.mark.django_db


@pytest.fixture
def notification(user: User) -> Notification:
    return Notification.objects.create(user=user, type="info", event="Your run has finished", extra={"run": "e1"})


def test_a_new_notification_sends_a_signal_with_its_payload(user: User, received: Received) -> None:
    made = Notification.objects.create(user=user, type="info", event="hey", extra={"run": "e1", "type": "other"})
    assert received.names == ["notification_created"]
    payload = NotificationPayload(type="info", event="hey", run="e1")
    assert received.event == NotificationEvent(id=str(made.pk), user_id=str(user.pk), payload=payload)


@pytest.mark.parametrize("fields", [None, ["read_at"]])
def test_marking_as_read_or_unread_sends_one_signal(
    notification: Notification, received: Received, fields: Any
) -> None:
    for read_at in (timezone.now(), timezone.now(), None, None):
        notification.read_at = read_at
        notification.save(update_fields=fields)
    assert received.names == ["notification_read", "notification_read"]
    assert received.events == [
        NotificationRead(id=str(notification.pk), user_id=str(notification.user_id), read=True),
        NotificationRead(
            id=str(notification.pk),
            user_id=str(notification.user_id),
            read=False,
            payload=NotificationPayload(type="info", event="Your run has finished", run="e1"),
        ),
    ]


def test_a_change_of_the_text_sends_no_signal(notification: Notification, received: Received) -> None:
    notification.event = "other words"
    notification.save()
    notification.save(update_fields=["event", "extra", "type"])
    assert received == []


def test_a_stale_save_is_compared_with_the_read_state_in_the_database(
    notification: Notification, received: Received
) -> None:
    stale = Notification.objects.get()
    notification.read_at = timezone.now()
    notification.save()
    stale.event = "other words"
    stale.save()  # a full save marks it as unread again
    assert [event.read for event in received.events] == [True, False]


def test_extra_is_a_dictionary(user: User, received: Received) -> None:
    wrong = Notification(user=user, type="info", event="x", extra=[1])
    with pytest.raises(ValidationError, match="extra is a list"):
        wrong.full_clean()
    with pytest.raises(ValueError, match="extra is a list; it must be a dictionary"), transaction.atomic():
        wrong.save()
    assert not Notification.objects.exists()
    assert received == []


@pytest.mark.django_db(transaction=True)
def test_two_concurrent_reads_of_a_notification_send_one_signal(
    notification: Notification, received: Received, in_thread: InThread
) -> None:
    first, second = Notification.objects.get(), Notification.objects.get()
    first.read_at = second.read_at = timezone.now()
    is_written, may_commit = threading.Event(), threading.Event()

    def read() -> None:
        with transaction.atomic():
            first.save()
            is_written.set()
            may_commit.wait(30)

    reading = in_thread(read)
    assert is_written.wait(30)
    waiting = in_thread(second.save)
    wait_for_blocked_transaction()
    may_commit.set()
    reading.result(30)
    waiting.result(30)
    assert received.names == ["notification_read"]


def test_the_name_of_a_notification_is_its_type_and_text(notification: Notification) -> None:
    assert str(notification) == "info: Your run has finished"


def test_bulk_writes_of_notifications(user: User, received: Received) -> None:
    texts = [Notification(user=user, type="info", event=str(number)) for number in range(3)]
    Notification.objects.bulk_create(texts)
    assert [(sent.name, sent.is_bulk, len(sent.events)) for sent in received] == [("notification_created", True, 3)]
    received.clear()
    Notification.objects.update(event="other words")
    assert received == []
    Notification.objects.filter(pk=texts[0].pk).update(read_at=timezone.now())
    assert [(sent.name, sent.is_bulk) for sent in received] == [("notification_read", True)]
    received.clear()
    for text in texts:
        text.read_at = timezone.now()
    Notification.objects.bulk_update(texts, ["read_at"])  # one of them was read before
    assert {event.id for event in received.events} == {str(text.pk) for text in texts[1:]}
    assert all(event.read for event in received.events)
    received.clear()
    Notification.objects.update(read_at=None)
    assert [event.read for event in received.events] == [False] * 3
