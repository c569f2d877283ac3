"""The user of a connection: each rule of docs/protocol.md, with ASGI scopes."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.models import Session
from django.test import Client
from pytest_django import Settings

from realtime.auth import handshake
from realtime.auth.handshake import CredentialsRefused, ForeignOrigin, asks_for_reason, select_subprotocol
from realtime.auth.jwt import issue_token
from realtime.wire.close_codes import CloseCode
from tests.database import in_db

pytestmark = pytest.mark.django_db(transaction=True)

HOST = "localhost:8000"


def scope(
    *,
    cookie: str | None = None,
    origin: str | None = None,
    host: str | None = HOST,
    authorization: str | None = None,
    subprotocols: list[str] | None = None,
    query: str = "",
    headers: dict[str, str] | None = None,
    **others: Any,
) -> dict[str, Any]:
    sent = {"host": host, "cookie": cookie, "origin": origin, "authorization": authorization, **(headers or {})}
    return {
        "type": "websocket",
        "path": "/ws",
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in sent.items() if value is not None],
        "subprotocols": subprotocols or [],
        **others,
    }


def authenticate(of: dict[str, Any]) -> Any:
    return async_to_sync(handshake.authenticate)(of).user


def token_of(user: User) -> str:
    return issue_token(user.pk, timedelta(hours=1))


def cookie_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    return f"sessionid={client.cookies['sessionid'].value}"


def refusal(of: dict[str, Any]) -> CloseCode:
    with pytest.raises(CredentialsRefused) as refused:
        authenticate(of)
    assert refused.value.text
    return refused.value.code


# Places of a token

PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "subprotocol": lambda token: {"subprotocols": ["bearer", token]},
    "header": lambda token: {"authorization": f"Bearer {token}"},
    "query": lambda token: {"query": f"token={token}"},
}
in_each_place = pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)


@in_each_place
def test_a_token_identifies_its_user(place: Callable[[str], dict[str, Any]], user: User) -> None:
    assert authenticate(scope(**place(token_of(user)))) == user


@in_each_place
def test_a_token_works_from_any_origin(place: Callable[[str], dict[str, Any]], user: User) -> None:
    assert authenticate(scope(**place(token_of(user)), origin="https://elsewhere.example")) == user


@in_each_place
@pytest.mark.parametrize("bad", ["", "nonsense", "a.b.c", "%00", "null"])
def test_a_bad_token_never_falls_back_to_the_cookie(
    place: Callable[[str], dict[str, Any]], bad: str, user: User
) -> None:
    assert refusal(scope(**place(bad), cookie=cookie_of(user))) == CloseCode.BAD_TOKEN


@in_each_place
def test_a_token_comes_before_the_cookie(place: Callable[[str], dict[str, Any]], user: User, other_user: User) -> None:
    assert authenticate(scope(**place(token_of(user)), cookie=cookie_of(other_user))) == user


def test_the_first_place_with_a_token_counts(user: User, other_user: User) -> None:
    first, second, bad = token_of(user), token_of(other_user), "nonsense"
    assert authenticate(scope(**PLACES["subprotocol"](first), **PLACES["header"](second))) == user
    assert authenticate(scope(**PLACES["header"](first), **PLACES["query"](second))) == user
    assert refusal(scope(**PLACES["subprotocol"](bad), **PLACES["header"](second))) == CloseCode.BAD_TOKEN
    assert refusal(scope(**PLACES["header"](bad), **PLACES["query"](second))) == CloseCode.BAD_TOKEN


def test_the_token_is_the_subprotocol_after_bearer(user: User) -> None:
    assert authenticate(scope(subprotocols=["other", "bearer", token_of(user)])) == user
    assert refusal(scope(subprotocols=[token_of(user), "bearer"])) == CloseCode.BAD_TOKEN
    assert refusal(scope(subprotocols=["bearer"], cookie=cookie_of(user))) == CloseCode.BAD_TOKEN


def test_other_subprotocols_are_no_credentials(user: User) -> None:
    assert refusal(scope(subprotocols=["graphql-ws", token_of(user)])) == CloseCode.NO_CREDENTIALS


@pytest.mark.parametrize(
    ("offered", "selected"),
    [
        ([], None),
        (["other"], None),
        (["BEARER", "Runwire"], None),
        (["bearer", "nonsense"], "bearer"),
        (["other", "bearer", "nonsense"], "bearer"),
        (["runwire"], "runwire"),
        (["other", "runwire"], "runwire"),
        (["runwire", "bearer", "nonsense"], "bearer"),
        (["bearer", "nonsense", "runwire"], "bearer"),
    ],
)
def test_the_selected_subprotocol_is_one_of_the_offered_and_never_a_token(
    offered: list[str], selected: str | None
) -> None:
    assert select_subprotocol(scope(subprotocols=offered)) == selected
    assert select_subprotocol({"type": "websocket"}) is None


@pytest.mark.parametrize(
    ("how", "asks"),
    [
        ({}, False),
        ({"query": "refusal=frame"}, True),
        ({"query": "token=a&refusal=frame"}, True),
        ({"query": "refusal=http&refusal=frame"}, True),
        ({"query": "refusal=frame&refusal=http"}, False),
        ({"query": "refusal=frames"}, False),
        ({"query": "refusal"}, False),
        ({"query": "refusal=%66rame"}, True),
        ({"query": "&&=%ff;refusal"}, False),
        ({"subprotocols": ["runwire"]}, True),
        ({"subprotocols": ["bearer", "x", "runwire"]}, True),
        ({"subprotocols": ["runwire2", "RUNWIRE"]}, False),
    ],
)
def test_a_client_asks_for_the_reason_by_the_query_or_the_subprotocol(how: dict[str, Any], asks: bool) -> None:
    assert asks_for_reason(scope(**how)) is asks


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_case_of_the_header_does_not_matter(scheme: str, user: User) -> None:
    assert authenticate(scope(authorization=f"{scheme} {token_of(user)}")) == user


def test_an_authorization_of_another_scheme_is_ignored(user: User) -> None:
    basic = "Basic dXNlcjpwYXNz"
    assert authenticate(scope(authorization=basic, cookie=cookie_of(user))) == user
    assert refusal(scope(authorization=basic)) == CloseCode.NO_CREDENTIALS


def test_a_header_that_ends_after_bearer_is_a_bad_token(user: User) -> None:
    assert refusal(scope(authorization="Bearer", cookie=cookie_of(user))) == CloseCode.BAD_TOKEN


def test_the_last_one_of_two_tokens_in_the_query_counts(user: User) -> None:
    assert authenticate(scope(query=f"a=b&token=nonsense&token={token_of(user)}")) == user
    assert refusal(scope(query=f"token={token_of(user)}&token=nonsense")) == CloseCode.BAD_TOKEN
    assert refusal(scope(query=f"token={token_of(user)}&token=")) == CloseCode.BAD_TOKEN


@pytest.mark.parametrize("query", ["%", "token=%ed%a0%80", "token=%ff", "&&;=", "token"])
def test_a_malformed_query_is_no_credentials(query: str) -> None:
    assert refusal(scope(query=query)) in (CloseCode.BAD_TOKEN, CloseCode.NO_CREDENTIALS)


# Users of tokens


def encoded(**claims: Any) -> dict[str, Any]:
    claims = {"exp": time.time() + 3600, **claims}
    return scope(authorization="Bearer " + jwt.encode(claims, django_settings.JWT_KEY, "HS256"))


@pytest.mark.parametrize(
    "subject",
    ["0", "-1", "999999999", "9" * 30, "9" * 5_000, "nobody", "1.0", "a\0", "{}", "\ud800", "ada@example.com"],
)
def test_a_token_of_an_unknown_user_is_refused(subject: str) -> None:
    assert refusal(encoded(sub=subject)) == CloseCode.UNKNOWN_USER


@pytest.mark.parametrize("claims", [{}, {"sub": None}, {"sub": ""}, {"sub": 1}, {"sub": ["1"]}])
def test_a_token_without_a_user_is_refused(claims: dict[str, Any], user: User) -> None:
    assert refusal(encoded(**claims)) == CloseCode.UNKNOWN_USER


@pytest.mark.parametrize(
    "form", ["0{}", "+{}", " {} ", "{}\n", "{}.0", "{}e0", "{}_", "0x{}", chr(0x660), "{}\0"], ids=ascii
)
def test_a_subject_is_compared_exactly(form: str, user: User) -> None:
    digits = "".join(chr(0x660 + int(digit)) for digit in str(user.pk))  # which Python and databases read as numbers
    subject = digits if form == chr(0x660) else form.format(user.pk)
    assert refusal(encoded(sub=subject)) == CloseCode.UNKNOWN_USER
    assert authenticate(encoded(sub=str(user.pk))) == user


@pytest.mark.parametrize("value", [True, 1.0, 1])
def test_a_subject_that_is_no_text_names_nobody(value: object, user: User) -> None:
    assert refusal(encoded(sub=value)) == CloseCode.UNKNOWN_USER


def test_another_field_of_the_user_may_be_the_subject(settings: Settings, user: User) -> None:
    settings.JWT_USER_FIELD = "username"
    assert authenticate(encoded(sub=user.username)) == user
    assert authenticate(scope(**PLACES["header"](token_of(user)))) == user  # our own tokens have the primary key
    for subject in (user.username.upper(), f"{user.username} ", str(user.pk)):
        assert refusal(encoded(sub=subject)) == CloseCode.UNKNOWN_USER


def test_a_subject_must_be_text(user: User) -> None:
    assert refusal(encoded(sub=user.pk)) == CloseCode.UNKNOWN_USER


def test_the_token_of_an_inactive_user_is_bad(user: User) -> None:
    user.is_active = False
    user.save()
    assert refusal(scope(authorization=f"Bearer {token_of(user)}")) == CloseCode.BAD_TOKEN


def test_the_token_of_a_deleted_user_is_of_an_unknown_user(user: User) -> None:
    token = token_of(user)
    user.delete()
    assert refusal(scope(authorization=f"Bearer {token}")) == CloseCode.UNKNOWN_USER


def test_an_expired_token_and_a_worker_token_are_bad(user: User) -> None:
    assert refusal(encoded(sub=str(user.pk), exp=1)) == CloseCode.BAD_TOKEN
    assert refusal(encoded(sub=str(user.pk), scope="worker")) == CloseCode.BAD_TOKEN


# The session cookie


def test_a_session_identifies_its_user(user: User) -> None:
    assert authenticate(scope(cookie=cookie_of(user))) == user
    assert authenticate(scope(cookie=cookie_of(user), origin=f"http://{HOST}")) == user


def test_a_connection_without_credentials_is_refused() -> None:
    assert refusal(scope()) == CloseCode.NO_CREDENTIALS
    bare = {"type": "websocket", "headers": [(b"host", HOST.encode())]}
    assert refusal(bare) == CloseCode.NO_CREDENTIALS


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        "sessionid=",
        "sessionid=nonsense",
        "sessionid=" + "x" * 5_000,
        'sessionid="\\000aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"',
        "sessionid=é",
        "other=1",
        "sessionid",
        "=;;=",
    ],
)
def test_a_cookie_of_no_session_is_refused(cookie: str) -> None:
    assert refusal(scope(cookie=cookie)) == CloseCode.NO_CREDENTIALS


@pytest.mark.parametrize("other", ['settings={"theme": "dark"}', "a[b]=1", "a=b c", "a:b/c=(d)", "nonsense", "é=é"])
def test_other_cookies_do_not_hide_the_session(other: str, user: User) -> None:
    assert authenticate(scope(cookie=f"{other}; {cookie_of(user)}")) == user
    assert authenticate(scope(cookie=f"{cookie_of(user)}; {other}")) == user


def test_the_setting_names_the_session_cookie(settings: Settings, user: User) -> None:
    cookie = cookie_of(user).replace("sessionid", "own")
    assert refusal(scope(cookie=cookie)) == CloseCode.NO_CREDENTIALS
    settings.SESSION_COOKIE_NAME = "own"
    assert authenticate(scope(cookie=cookie)) == user


def test_a_session_is_refused_after_the_logout(user: User) -> None:
    cookie = cookie_of(user)
    Session.objects.all().delete()
    assert refusal(scope(cookie=cookie)) == CloseCode.NO_CREDENTIALS


def test_a_session_is_refused_after_a_change_of_the_password(user: User) -> None:
    cookie = cookie_of(user)
    user.set_unusable_password()
    user.save()
    assert refusal(scope(cookie=cookie)) == CloseCode.NO_CREDENTIALS


def test_the_session_of_an_inactive_user_is_refused(user: User) -> None:
    cookie = cookie_of(user)
    user.is_active = False
    user.save()
    assert refusal(scope(cookie=cookie)) == CloseCode.NO_CREDENTIALS


def test_the_session_of_a_deleted_user_is_refused(user: User) -> None:
    cookie = cookie_of(user)
    user.delete()
    assert refusal(scope(cookie=cookie)) == CloseCode.NO_CREDENTIALS


# A user in the scope


def test_the_user_in_the_scope_comes_first(user: User, other_user: User) -> None:
    assert authenticate(scope(user=user, cookie=cookie_of(other_user), authorization="Bearer nonsense")) == user


@pytest.mark.parametrize("no_user", [None, AnonymousUser()])
def test_no_user_in_the_scope_is_refused(no_user: Any, user: User) -> None:
    assert refusal(scope(user=no_user, cookie=cookie_of(user))) == CloseCode.NO_CREDENTIALS


def test_an_inactive_user_in_the_scope_is_refused(user: User) -> None:
    user.is_active = False
    assert refusal(scope(user=user)) == CloseCode.NO_CREDENTIALS


# Connections at the same time


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[handshake.Credentials]:
    """The credentials for which the database was read."""
    asked: list[handshake.Credentials] = []
    real = handshake._find_user

    def counted(credentials: handshake.Credentials) -> Any:
        asked.append(credentials)
        return real(credentials)

    monkeypatch.setattr(handshake, "_find_user", counted)
    return asked


async def authenticate_all(*scopes: dict[str, Any]) -> list[Any]:
    found = await asyncio.gather(*map(handshake.authenticate, scopes), return_exceptions=True)
    return [each if isinstance(each, BaseException) else each.user for each in found]


async def test_connections_with_the_same_credentials_share_one_read(user: User, reads: list[Any]) -> None:
    cookie = await in_db(cookie_of)(user)
    assert await authenticate_all(*[scope(cookie=cookie)] * 5) == [user] * 5
    assert await authenticate_all(*[scope(authorization=f"Bearer {token_of(user)}")] * 5) == [user] * 5
    assert len(reads) == 2


async def test_connections_with_other_credentials_get_their_own_answers(user: User, other_user: User) -> None:
    cookies = [await in_db(cookie_of)(each) for each in (user, other_user)]
    one, other, refused, bad = await authenticate_all(
        scope(cookie=cookies[0]), scope(cookie=cookies[1]), scope(), scope(cookie=cookies[0], query="token=nonsense")
    )
    assert (one, other) == (user, other_user)
    assert [each.code for each in (refused, bad)] == [CloseCode.NO_CREDENTIALS, CloseCode.BAD_TOKEN]


async def test_a_foreign_page_does_not_share_the_read_of_an_allowed_page(user: User) -> None:
    cookie = await in_db(cookie_of)(user)
    own, foreign = (
        scope(cookie=cookie, origin=f"http://{HOST}"),
        scope(cookie=cookie, origin="https://elsewhere.example"),
    )
    answers = await authenticate_all(own, foreign, own)
    assert answers[0] == answers[2] == user
    assert isinstance(answers[1], ForeignOrigin)


async def test_a_connection_after_the_end_of_its_session_is_refused(user: User) -> None:
    cookie = await in_db(cookie_of)(user)
    assert await authenticate_all(scope(cookie=cookie)) == [user]
    await in_db(Session.objects.all().delete)()
    assert [each.code for each in await authenticate_all(*[scope(cookie=cookie)] * 3)] == [CloseCode.NO_CREDENTIALS] * 3


async def test_the_user_of_an_outer_middleware_is_not_read_again(
    user: User, other_user: User, reads: list[Any]
) -> None:
    assert await authenticate_all(scope(user=user), scope(user=other_user)) == [user, other_user]
    assert not reads
