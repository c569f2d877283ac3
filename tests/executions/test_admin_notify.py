"""The admin action that notifies users."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from executions.models import GraphExecution, Notification
from tests.executions.conftest import Received

pytestmark = pytest.mark.django_db

USERS = "admin:auth_user_changelist"
EXECUTIONS = "admin:executions_graphexecution_changelist"


def notify(client: Client, page: str, rows: list[Any], **data: Any) -> Any:
    selected = {"action": "notify_selected", "_selected_action": [str(row.pk) for row in rows]}
    return client.post(reverse(page), {**selected, **data})


def test_a_page_between_asks_for_type_and_text(admin: Client, user: User, other_user: User, received: Received) -> None:
    response = notify(admin, USERS, [user, other_user])
    page = response.content.decode()
    assert response.status_code == 200
    assert "2 users will see this at once" in page
    assert "<li>user</li>" in page
    assert f'name="_selected_action" value="{user.pk}"' in page
    assert 'name="type" value="info"' in page
    assert "<script>" not in page
    assert received == []


def test_the_selected_users_are_notified(admin: Client, user: User, other_user: User, received: Received) -> None:
    response = notify(admin, USERS, [user, other_user], notify="Notify", type="warning", event="Down at noon")
    assert response.status_code == 302
    assert [str(message) for message in get_messages(response.wsgi_request)] == ["2 users were notified."]
    assert {event.user_id for event in received.events} == {str(user.pk), str(other_user.pk)}
    assert {(event.payload.type, event.payload.event) for event in received.events} == {("warning", "Down at noon")}


def test_the_users_of_the_selected_executions_are_notified_once(
    admin: Client, execution: GraphExecution, other_user: User, received: Received
) -> None:
    again = GraphExecution.objects.create(graph=execution.graph, user=execution.user)
    GraphExecution.objects.create(graph=execution.graph, user=other_user)
    received.clear()
    notify(admin, EXECUTIONS, [execution, again], notify="Notify", type="info", event="x")
    assert received.event.user_id == str(execution.user_id)


def test_all_users_of_a_list_can_be_selected_across_pages(admin: Client, user: User, other_user: User) -> None:
    page = notify(admin, USERS, [user], select_across="1").content.decode()
    assert 'name="select_across" value="1"' in page
    assert "3 users will see this" in page
    notify(admin, USERS, [user], select_across="1", notify="Notify", type="info", event="x")
    assert Notification.objects.count() == 3


@pytest.mark.parametrize(
    "data", [{"type": "", "event": "x"}, {"type": "info", "event": ""}, {"type": "info", "event": "\x00"}]
)
def test_an_invalid_text_is_an_error_of_the_form(admin: Client, user: User, received: Received, data: Any) -> None:
    response = notify(admin, USERS, [user], notify="Notify", **data)
    assert response.status_code == 200
    assert response.context["form"].errors
    assert received == []


def test_the_page_shows_the_number_of_many_users(admin: Client) -> None:
    users = User.objects.bulk_create([User(username=f"user-{number}") for number in range(25)])
    assert "and 5 more" in notify(admin, USERS, users).content.decode()


def test_hostile_names_stay_text(admin: Client) -> None:
    page = notify(admin, USERS, [User.objects.create(username="<script>alert(1)</script>")]).content.decode()
    assert "&lt;script&gt;alert(1)" in page


def test_the_action_needs_the_permission_to_add_notifications(client: Client, user: User, other_user: User) -> None:
    other_user.is_staff = True
    other_user.save()
    other_user.user_permissions.set(Permission.objects.filter(codename="view_user"))
    client.force_login(other_user)
    notify(client, USERS, [user], notify="Notify", type="info", event="x")
    assert not Notification.objects.exists()
    other_user.user_permissions.add(Permission.objects.get(codename="add_notification"))
    notify(client, USERS, [user], notify="Notify", type="info", event="x")
    assert Notification.objects.exists()


def test_the_user_admin_keeps_its_other_features(admin: Client, user: User) -> None:
    assert admin.get(reverse("admin:auth_user_change", args=[user.pk])).status_code == 200
    choices = dict(admin.get(reverse(USERS)).context["action_form"].fields["action"].choices)
    assert {"delete_selected", "notify_selected"} <= set(choices)
