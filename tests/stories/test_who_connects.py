"""Authentication of a socket, through every door."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client as Browser

from executions.services import notify_user
from tests.database import in_db
from tests.realtime.clients import Client, HandshakeRefused
from tests.stories.doors import Door, ServerDoor, token_of


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


async def refusal(door: Door, *, path: str = "/ws", subprotocols: Sequence[str] = (), **how: Any) -> tuple[int, str]:
    """The close code and the error for a client that asks for the reason. Others are refused in the handshake."""
    with pytest.raises(HandshakeRefused, match="403") as refused:
        await door.client(path=path, subprotocols=subprotocols, **how)
    asking = f"{path}{'&' if '?' in path else '?'}refusal=frame"
    by_query = await door.client(path=asking, subprotocols=subprotocols, **how)
    by_subprotocol = await door.client(path=path, subprotocols=["runwire", *subprotocols], **how)
    bearer = "bearer" if "bearer" in subprotocols else None
    assert (by_query.subprotocol, by_subprotocol.subprotocol) == (bearer, bearer or "runwire")
    reasons = []
    for client in (by_query, by_subprotocol):
        frame = await client.frame()
        assert (frame["method"], frame["success"]) == ("error", False)
        reasons.append((await client.close_code(), frame["error"]))
    assert reasons[0] == reasons[1]
    if isinstance(door, ServerDoor) and door.server.program == "runwire":
        assert refused.value.body == "{} {}\n".format(*reasons[0])
    return reasons[0]


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


async def test_missing_credentials_are_4001(door: Door, user: User) -> None:
    for headers in ([], [("Cookie", "sessionid=forged")]):
        assert await refusal(door, headers=headers) == (4001, "Authentication required")


async def test_an_inactive_user_is_4001_for_a_cookie_and_4003_for_a_token(door: Door, user: User) -> None:
    cookie, token = await in_db(cookie_of)(user), token_of(user)
    await in_db(User.objects.filter(pk=user.pk).update)(is_active=False)
    assert (await refusal(door, headers=[("Cookie", cookie)]))[0] == 4001
    assert (await refusal(door, subprotocols=["bearer", token]))[0] == 4003


async def test_a_token_without_a_user_is_4002(door: Door, user: User) -> None:
    unknown = jwt.encode({"sub": "999999", "exp": time.time() + 60}, settings.JWT_KEY, settings.JWT_ALGORITHM)
    odd = jwt.encode({"sub": "no number\0", "exp": time.time() + 60}, settings.JWT_KEY, settings.JWT_ALGORITHM)
    for token in (token_without_subject(), unknown, odd):
        assert await refusal(door, subprotocols=["bearer", token]) == (4002, "The token names no user")


async def test_a_bad_or_expired_token_is_4003_even_with_a_valid_cookie(door: Door, user: User) -> None:
    cookie = ("Cookie", await in_db(cookie_of)(user))
    expired = token_of(user, timedelta(seconds=-1))
    for token in ("nonsense", expired, token_with_another_key(user)):
        ways: list[dict[str, Any]] = [
            {"subprotocols": ["bearer", token], "headers": [cookie]},
            {"headers": [("Authorization", f"Bearer {token}"), cookie]},
            {"path": f"/ws?token={token}", "headers": [cookie]},
            {"path": f"/ws?token={token_of(user)}&token={token}", "headers": [cookie]},
        ]
        for how in ways:
            assert await refusal(door, **how) == (4003, "Invalid or expired token")


async def test_a_client_may_offer_both_subprotocols(door: Door, user: User) -> None:
    cookie = ("Cookie", await in_db(cookie_of)(user))
    for offered, headers, selected in (
        (["bearer", token_of(user), "runwire"], [], "bearer"),
        (["runwire", "bearer", token_of(user)], [], "bearer"),
        (["other", "runwire"], [cookie], "runwire"),
    ):
        client = await door.client(subprotocols=offered, headers=headers)
        assert client.subprotocol == selected
        assert await is_of(client, user)


async def test_a_foreign_page_may_not_use_the_cookie(door: Door, user: User) -> None:
    cookie = ("Cookie", await in_db(cookie_of)(user))
    for origin in ("https://evil.example", "null", f"https://{door.address}", f"http://evil.{door.address}"):
        with pytest.raises(HandshakeRefused, match="403"):
            await door.client(headers=[cookie, ("Origin", origin)])
        with pytest.raises(HandshakeRefused, match="403"):
            await door.client(path="/ws?refusal=frame", headers=[cookie, ("Origin", origin)])
    own = await door.client(headers=[cookie, ("Origin", f"http://{door.address}")])
    assert await is_of(own, user)


async def test_a_foreign_page_may_use_a_token(door: Door, user: User) -> None:
    client = await door.client(subprotocols=["bearer", token_of(user)], headers=[("Origin", "https://app.example")])
    assert await is_of(client, user)
