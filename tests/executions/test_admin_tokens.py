"""The admin of the tokens of workers."""

from django.contrib.auth.models import User
from django.test import Client

from executions.api.worker_tokens import create_token, find_token
from executions.models import Graph, WorkerToken

LIST = "/admin/executions/workertoken/"


def test_the_list_shows_what_each_token_may(admin_client: Client, user: User, graph: Graph) -> None:
    create_token("everything")
    create_token("narrow", users=[user], graphs=[graph])
    page = admin_client.get(LIST).content.decode()
    assert ">all<" in page
    assert f"users: {user.username}; graphs: {graph.name} ({graph.pk})" in page


def test_tokens_are_not_made_or_changed_here(admin_client: Client, user: User) -> None:
    token, _ = create_token("narrow", users=[user])
    assert admin_client.get(f"{LIST}add/").status_code == 403
    shown = admin_client.get(f"{LIST}{token.pk}/change/").content.decode()
    assert token.digest not in shown
    admin_client.post(f"{LIST}{token.pk}/change/", {"all_users": "on", "name": "other"})
    assert WorkerToken.objects.values_list("name", "all_users").get() == ("narrow", False)


def test_the_action_revokes(admin_client: Client) -> None:
    token, secret = create_token("press")
    assert find_token(secret)
    admin_client.post(LIST, {"action": "revoke_selected", "_selected_action": [token.pk]})
    assert find_token(secret) is None


def test_the_list_reads_a_bounded_number_of_statements(
    admin_client: Client, user: User, django_assert_max_num_queries: object
) -> None:
    for number in range(12):
        create_token(f"worker {number}", users=[user])
    with django_assert_max_num_queries(12):  # type: ignore[operator]
        admin_client.get(LIST)
