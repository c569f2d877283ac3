"""Sockets whose access ends."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from executions.services import notify_user
from realtime.auth import identity, stream_access
from realtime.hub.registry import hub_of_this_loop
from realtime.revocation import review
from tests.database import in_db
from tests.realtime.clients import InProcess

SLOW_TURNS = {"RECHECK_INTERVAL": 3_600.0, "RECHECK_DELAY": 0.1}  # only notices count
QUICK_TURNS = {"RECHECK_INTERVAL": 0.2, "RECHECK_DELAY": 0.1}


class Person:
    """A browser that is logged in, and its socket."""

    def __init__(self, browser: Browser, client: InProcess) -> None:
        self.browser, self.client = browser, client


Connect = Callable[..., Awaitable[Person]]


@pytest.fixture
def notices_only(settings: Settings) -> None:
    settings.REALTIME = SLOW_TURNS


@pytest.fixture(params=["a notice", "the next turn"])
def either_way(request: pytest.FixtureRequest, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> str:
    """The change is seen by a notice, or (every notice is lost) by the next check in turn."""
    settings.REALTIME = SLOW_TURNS if request.param == "a notice" else QUICK_TURNS
    if request.param == "the next turn":
        monkeypatch.setattr("realtime.publishing.announcer.announce_access", lambda *args, **fields: None)
    return str(request.param)


@pytest.fixture
def person(live_client: Callable[..., Awaitable[InProcess]]) -> Connect:
    async def connect(user: User, **how: Any) -> Person:
        browser = Browser()
        await in_db(browser.force_login)(user)
        return Person(browser, await live_client(headers=[("Cookie", cookie_of(browser))], **how))

    return connect


def cookie_of(browser: Browser) -> str:
    return f"sessionid={browser.cookies['sessionid'].value}"


async def is_closed(client: InProcess, code: int) -> None:
    """The next frame is the error, and then the socket closes with this code."""
    frame = await client.frame()
    assert (frame["method"], frame["success"], frame["channel"]) == ("error", False, None), frame
    assert await client.close_code() == code


async def is_live(client: InProcess, user: User) -> None:
    await in_db(notify_user)(user, type="info", event="still here")
    assert (await client.frame())["data"]["event"] == "still here"


async def queries_of_a_look(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The queries with which the review looks at all sockets once."""
    queries: list[Any] = []

    def counting(real: Any) -> Any:
        def work(*args: Any) -> Any:
            with CaptureQueriesContext(connection) as captured:
                result = real(*args)
            queries.extend(captured)
            return result

        return work

    monkeypatch.setattr(identity, "_check", counting(identity._check))
    monkeypatch.setattr(stream_access, "_confirm", counting(stream_access._confirm))
    found = review.of(hub_of_this_loop())
    await found._look_at(list(found._checked_at))
    return queries
