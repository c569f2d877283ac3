"""Tokens for the socket, over HTTP."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session

from realtime.auth.jwt import SOCKET_SCOPE, BadToken, issue_token, read_token
from tests.executions.api.conftest import ApiClient, ok, refused


def test_a_page_gets_and_renews_a_token_for_the_socket(person: ApiClient, user: User) -> None:
    got = ok(person.post("/socket-token"))
    assert read_token(got["token"]) == str(user.pk)
    page = ApiClient(token=got["token"])
    assert read_token(ok(page.post("/socket-token/refresh"))["token"]) == str(user.pk)
    refused(page.get("/executions"), 401)
    with pytest.raises(BadToken):
        read_token(got["token"], "api")


@pytest.mark.parametrize("end", ["logout", "password", "deactivation"])
def test_a_token_for_the_socket_is_not_renewed_after_the_end_of_its_session(
    person: ApiClient, user: User, end: str
) -> None:
    page = ApiClient(token=ok(person.post("/socket-token"))["token"])
    renewed = ApiClient(token=ok(page.post("/socket-token/refresh"))["token"])
    if end == "logout":
        Session.objects.all().delete()
    elif end == "password":
        user.set_password("another password")
        user.save()
    else:
        User.objects.update(is_active=False)
    refused(page.post("/socket-token/refresh"), 401)
    refused(renewed.post("/socket-token/refresh"), 401)


def test_a_token_that_was_got_with_a_token_needs_no_session(user: User) -> None:
    page = ApiClient(token=issue_token(user.pk, timedelta(hours=1)))
    Session.objects.all().delete()
    ok(ApiClient(token=ok(page.post("/socket-token"))["token"]).post("/socket-token/refresh"))


def test_a_token_for_the_socket_is_not_renewed_without_limit(user: User) -> None:
    old = issue_token(user.pk, timedelta(hours=1), scope=SOCKET_SCOPE, auth_time=1)
    refused(ApiClient(token=old).post("/socket-token/refresh"), 401)
    never = issue_token(user.pk, timedelta(hours=1))
    refused(ApiClient(token=never).post("/socket-token/refresh"), 401)
