"""Authentication of a socket, through every door."""

import time
from datetime import timedelta

import jwt
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client as Browser

from executions.services import notify_user
from tests.database import in_db
from tests.realtime.clients import Client, HandshakeRefused
from tests.stories.doors import Door, token_of


def cookie_of(user: User) -> str:
    browser = Browser()
    browser.force_login(user)
    return f"{settings.SESSION_COOKIE_NAME}={browser.cookies[settings.SESSION_COOKIE_NAME].value}"


def token_without_subject() -> str:
    return jwt.encode({"exp": time.time() + 60}, settings.JWT_KEY, settings.JWT_ALGORITHM)


def token_with_another_key(user: User) -> str:
    return jwt.encode(
        {"sub": str(user.pk), "exp": time.time() + 60}, "another key which is long enough to please everyone", "HS256"
    )


async def is_of(client: Client, user: User) -> bool:
    await in_db(notify_user)(user, type="info", event="for you")
    return (await client.frame())["data"] == {"type": "info", "event": "for you"}


async def refusal(client: Client) -> tuple[int, str]:
    """The close code of the server, and the error before it."""
    frame = await client.frame()
    assert (frame["method"], frame["success"]) == ("error", False)
    return await client.close_code(), frame["error"]


async def test_a_token_is_taken_from_the_subprotocol_the_header_and_the_query(door: Door, user: User) -> None:
    token = token_of(user)
    by_subprotocol = await door.client(subprotocols=["bearer", token])
    by_header = await door.client(headers=[("Authorization", f"Bearer {token}")])
    by_query = await door.client(path=f"/ws?token={token}")
    assert [each.subprotocol for each in (by_subprotocol, by_header, by_query)] == ["bearer", None, None]
    for client in (by_subprotocol, by_header, by_query):
        assert await is_of(client, user)


async def test_a_session_cookie_is_enough(door: Door, user: User) -> None:
    client = await door.client(headers=[("Cookie", await in_db(cookie_of)(user))])
    assert await is_of(client, user)


async def test_unknown_cookies_are_ignored(door: Door, user: User) -> None:
    cookie = await in_db(cookie_of)(user)
    client = await door.client(headers=[("Cookie", f'prefs={{"a": [1]}}; odd@name=1; plain; {cookie}; last="')])
    assert await is_of(client, user)


async def test_missing_credentials_close_with_4001(door: Door, user: User) -> None:
    assert await refusal(await door.client()) == (4001, "Authentication required")
    assert await refusal(await door.client(headers=[("Cookie", "sessionid=forged")])) == (
        4001,
        "Authentication required",
    )


async def test_an_inactive_user_is_closed_with_4001_for_a_cookie_and_4003_for_a_token(door: Door, user: User) -> None:
    cookie, token = await in_db(cookie_of)(user), token_of(user)
    await in_db(User.objects.filter(pk=user.pk).update)(is_active=False)
    code, _ = await refusal(await door.client(headers=[("Cookie", cookie)]))
    assert code == 4001
    code, _ = await refusal(await door.client(subprotocols=["bearer", token]))
    assert code == 4003


async def test_a_token_without_a_user_closes_with_4002(door: Door, user: User) -> None:
    unknown = jwt.encode({"sub": "999999", "exp": time.time() + 60}, settings.JWT_KEY, settings.JWT_ALGORITHM)
    odd = jwt.encode({"sub": "no number\0", "exp": time.time() + 60}, settings.JWT_KEY, settings.JWT_ALGORITHM)
    for token in (token_without_subject(), unknown, odd):
        client = await door.client(subprotocols=["bearer", token])
        assert client.subprotocol == "bearer"
        assert await refusal(client) == (4002, "The token names no user")


async def test_a_bad_or_expired_token_closes_with_4003_even_with_a_valid_cookie(door: Door, user: User) -> None:
    cookie = ("Cookie", await in_db(cookie_of)(user))
    expired = token_of(user, timedelta(seconds=-1))
    for token in ("nonsense", expired, token_with_another_key(user)):
        for how in (
            {"subprotocols": ["bearer", token], "headers": [cookie]},
            {"headers": [("Authorization", f"Bearer {token}"), cookie]},
            {"path": f"/ws?token={token}", "headers": [cookie]},
        ):
            assert await refusal(await door.client(**how)) == (4003, "Invalid or expired token")  # type: ignore[arg-type]


async def test_a_foreign_page_may_not_use_the_cookie(door: Door, user: User) -> None:
    cookie = ("Cookie", await in_db(cookie_of)(user))
    for origin in ("https://evil.example", "null", f"https://{door.address}", f"http://evil.{door.address}"):
        with pytest.raises(HandshakeRefused, match="403"):
            await door.client(headers=[cookie, ("Origin", origin)])
    own = await door.client(headers=[cookie, ("Origin", f"http://{door.address}")])
    assert await is_of(own, user)


async def test_a_foreign_page_may_use_a_token(door: Door, user: User) -> None:
    client = await door.client(subprotocols=["bearer", token_of(user)], headers=[("Origin", "https://app.example")])
    assert await is_of(client, user)
