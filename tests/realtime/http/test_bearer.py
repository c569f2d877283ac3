"""A user's bearer token over HTTP."""

import time
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.contrib.auth.models import User

from realtime.auth.jwt import issue_token, read_token
from tests.executions.api.conftest import ApiClient, ok, refused

HOUR = timedelta(hours=1)


def client_with(**claims: Any) -> ApiClient:
    return ApiClient(token=jwt.encode({"exp": time.time() + 60, **claims}, settings.JWT_KEY, "HS256"))


@pytest.mark.parametrize("scope", [None, "api", "openid profile", "openid api"])
def test_a_token_acts_as_its_user(user: User, scope: str | None) -> None:
    ok(ApiClient(token=issue_token(user.pk, HOUR, scope=scope)).get("/graphs"))


@pytest.mark.parametrize("scope", ["socket", "worker", "socket openid", "worker api"])
def test_a_token_of_another_scope_is_refused(user: User, scope: str) -> None:
    error = refused(ApiClient(token=issue_token(user.pk, HOUR, scope=scope)).get("/graphs"), 401)
    assert error["message"] == "Invalid or expired token"


def test_a_token_without_an_active_user_is_refused(user: User) -> None:
    for subject in ("999999", "nobody", "9" * 400, "\x00", "", 7, None):
        refused(client_with(sub=subject).get("/graphs"), 401)
    refused(client_with(sub=str(user.pk), exp=1).get("/graphs"), 401)
    user.is_active = False
    user.save()
    refused(client_with(sub=str(user.pk)).get("/graphs"), 401)


@pytest.mark.parametrize(
    "auth_time", [10**400, -(10**400), "1", 1.5, None], ids=["future", "past", "text", "float", "none"]
)
def test_a_socket_token_with_a_time_far_away_or_none_is_not_renewed(user: User, auth_time: object) -> None:
    """A time in the far future would be renewed for ever, and one beyond all floats was an error of the server."""
    client = client_with(sub=str(user.pk), scope="socket", auth_time=auth_time)
    refused(client.post("/socket-token/refresh"), 401)


def test_a_subject_is_compared_exactly(user: User) -> None:
    ok(client_with(sub=str(user.pk)).get("/graphs"))
    for subject in (f"0{user.pk}", f" {user.pk} ", f"+{user.pk}", f"{user.pk}.0", True, 1.0):
        refused(client_with(sub=subject).get("/graphs"), 401)


def test_a_header_without_a_bearer_token_is_refused(db: None) -> None:
    for header in ("", "Bearer", "Bearer ", "Basic YTpi", "Bearer a b", "Bearer \u00e9"):
        refused(ApiClient().get("/graphs", Authorization=header), 401)


def test_a_token_for_the_api_opens_no_socket(user: User) -> None:
    assert read_token(issue_token(user.pk, HOUR)) == str(user.pk)
    with pytest.raises(Exception, match="not for this"):
        read_token(issue_token(user.pk, HOUR, scope="api"))
