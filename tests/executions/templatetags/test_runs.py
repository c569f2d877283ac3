"""The filters and tags of templates."""

import pytest
from django.contrib.auth.models import User
from django.template import Context, RequestContext, Template
from django.test import RequestFactory

from executions.models import Notification
from executions.services import mark_read, notify_user
from executions.templatetags.runs import MAX_LISTED

pytestmark = pytest.mark.django_db

PANEL = Template(
    "{% load runs %}{% unread_notifications as unread %}{{ unread.count }}:"
    "{% for each in unread.newest %} {{ each.event }}{% endfor %}"
)


def panel(user: User) -> str:
    request = RequestFactory().get("/")
    request.user = user
    return PANEL.render(RequestContext(request, {"request": request}))


def test_unread_notifications_are_listed_newest_first(user: User, other_user: User) -> None:
    for event in ("first", "second"):
        notify_user(user, type="info", event=event)
    notify_user(other_user, type="info", event="not yours")
    assert panel(user) == "2: second first"
    mark_read(user)
    assert panel(user) == "0:"


def test_all_notifications_are_counted_but_only_some_are_listed(user: User) -> None:
    Notification.objects.bulk_create([Notification(user=user, type="info", event="hey") for _ in range(MAX_LISTED + 5)])
    assert panel(user) == f"{MAX_LISTED + 5}:" + " hey" * MAX_LISTED


def test_a_status_and_a_duration_are_shown_in_words() -> None:
    rendered = Template("{% load runs %}{{ 'COMPLETED'|label }}").render(Context())
    assert rendered == "Completed"
