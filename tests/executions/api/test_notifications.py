"""Notifications over HTTP."""

from django.contrib.auth.models import User

from executions.services import notify_user
from tests.executions.api.conftest import ApiClient, ok, refused


def test_notifications_are_listed_counted_and_marked(person: ApiClient, user: User) -> None:
    sent = [notify_user(user, type="info", event=f"{index}", link="/x") for index in range(3)]
    listed = ok(person.get("/notifications"))["items"]
    assert [(each["event"], each["extra"], each["read_at"]) for each in listed] == [
        (f"{index}", {"link": "/x"}, None) for index in (2, 1, 0)
    ]
    assert ok(person.get("/notifications/unread")) == {"unread": 3}
    assert ok(person.post(f"/notifications/{sent[0].pk}/read"))["read_at"]
    assert [each["event"] for each in ok(person.get("/notifications?unread=true"))["items"]] == ["2", "1"]
    assert ok(person.post("/notifications/read")) == {"marked": 2}
    assert ok(person.get("/notifications/unread")) == {"unread": 0}


def test_a_notification_of_another_user_is_not_found_and_stays_unread(stranger: ApiClient, user: User) -> None:
    sent = notify_user(user, type="info", event="hey")
    refused(stranger.post(f"/notifications/{sent.pk}/read"), 404)
    assert ok(stranger.post("/notifications/read")) == {"marked": 0}
    assert ok(stranger.get("/notifications"))["items"] == []
    sent.refresh_from_db()
    assert sent.read_at is None
