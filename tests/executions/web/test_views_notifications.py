"""The notification panel, and marking notifications as read."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from executions.services import notify_user
from tests.executions.web.pages import url


def test_unread_notifications_are_on_every_page(page: Client, user: User, other_user: User) -> None:
    notify_user(user, type="info", event="For me")
    notify_user(other_user, type="info", event="For another")
    content = page.get(url("execution-list")).content.decode()
    assert 'data-unread="1"' in content
    assert "For me" in content
    assert "For another" not in content


def test_the_newest_notifications_are_shown_and_all_unread_ones_counted(page: Client, user: User) -> None:
    for number in range(25):
        notify_user(user, type="info", event=f"Number {number}.")
    content = page.get(url("notification-panel")).content.decode()
    assert "25 unread" in content
    assert re.findall(r"Number (\d+)\.", content) == [str(number) for number in range(24, 4, -1)]


def test_one_or_all_notifications_are_marked_as_read(page: Client, user: User) -> None:
    first, *_ = [notify_user(user, type="info", event="News") for _ in range(3)]
    page.post(url("notification-read"), {"id": first.pk})
    assert list(user.notifications.filter(read_at__isnull=False)) == [first]
    page.post(url("notification-read"))
    assert not user.notifications.filter(read_at__isnull=True).exists()


def test_a_notification_of_another_user_is_not_marked(page: Client, other_user: User) -> None:
    other = notify_user(other_user, type="info", event="News")
    assert page.post(url("notification-read"), {"id": [str(other.pk), "nonsense"]}).status_code == 302
    other.refresh_from_db()
    assert other.read_at is None


@pytest.mark.parametrize(
    ("back", "goes_to"),
    [
        ("/executions/start/", "/executions/start/"),
        ("//elsewhere.example/", "/"),
        ("https://elsewhere.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
        ("execution-list", "execution-list"),  # a relative path, and not the name of a view
        ("nothing", "nothing"),
        ("/a\r\nb: c", "/a%0D%0Ab:%20c"),
    ],
)
def test_the_redirect_after_marking_stays_on_the_site(page: Client, back: str, goes_to: str) -> None:
    assert page.post(url("notification-read"), {"next": back})["Location"] == goes_to
