"""Slots for HTTP requests: of the process and of one address, with places to wait."""

import asyncio
from typing import Any

import pytest
from pytest_django import Settings

from realtime.conf import DEFAULTS
from realtime.http import client_identity
from realtime.http.request_slots import RequestSlots, weight_of
from tests.realtime.conftest import Counted
from tests.waiting import rest_in_loop, until_in_loop

pytestmark = pytest.mark.once

ONE, OTHER, THIRD, FOURTH, FIFTH = (f"192.0.2.{number}" for number in range(1, 6))
LOCAL = "127.0.0.1"


class SlowApplication:
    """Answers each request when the test lets it."""

    def __init__(self) -> None:
        self.running = 0
        self.begun: list[tuple[str, int]] = []  # the address and the length of the body
        self.gate = asyncio.Event()
        self.is_broken = False

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.running += 1
        self.begun.append((scope["client"][0], int(dict(scope.get("headers", ())).get(b"content-length", 0))))
        try:
            await self.gate.wait()
            if self.is_broken:
                raise RuntimeError("This page is broken.")
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"done"})
        finally:
            self.running -= 1


class Browser:
    def __init__(self, application: Any) -> None:
        self.application = application
        self.requests: list[asyncio.Task[list[dict[str, Any]]]] = []

    def ask(
        self, address: str, times: int = 1, session: str = "", body: int = 0
    ) -> list["asyncio.Task[list[dict[str, Any]]]"]:
        new = [asyncio.create_task(self._ask(address, session, body)) for _ in range(times)]
        self.requests += new
        return new

    async def _ask(self, address: str, session: str, body: int) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        headers = [(b"cookie", f"sessionid={session}".encode()), (b"content-length", str(body).encode())]
        await self.application({"type": "http", "client": [address, 1], "headers": headers}, None, send)
        return sent


@pytest.fixture
def limited(settings: Settings) -> None:
    settings.REALTIME = {
        "MAX_HTTP_REQUESTS": 4,
        "MAX_ADDRESS_HTTP_REQUESTS": 2,
        "MAX_WAITING_REQUESTS": 6,
        "MAX_ADDRESS_WAITING_REQUESTS": 3,
    }


async def test_an_address_has_a_part_of_the_slots_and_of_the_places(limited: None, counted: Counted) -> None:
    application = SlowApplication()
    browser = Browser(RequestSlots(application))
    browser.ask(ONE, times=20)
    await until_in_loop(lambda: counted["requests_crowded"] == 15)
    assert application.running == 2
    browser.ask(OTHER, times=2)
    await until_in_loop(lambda: application.running == 4)
    application.gate.set()
    statuses = sorted([(await each)[0]["status"] for each in browser.requests])
    assert statuses == [200] * 7 + [503] * 15


async def test_the_process_has_a_cap_and_the_first_to_wait_is_the_first_served(limited: None, counted: Counted) -> None:
    application = SlowApplication()
    browser = Browser(RequestSlots(application))
    for address in (ONE, OTHER, THIRD):
        browser.ask(address, times=4)  # THIRD has two places to wait, and no slot
    await until_in_loop(lambda: counted["requests_crowded"] == 2)
    assert application.running == 4
    application.gate.set()
    assert [(await each)[0]["status"] for each in browser.requests] == [200] * 10 + [503] * 2


async def test_behind_a_loopback_address_a_user_has_a_share(limited: None, counted: Counted) -> None:
    """A proxy on this machine puts all clients behind one address: there, users do what addresses do elsewhere."""
    application = SlowApplication()
    browser = Browser(RequestSlots(application))
    for session, user in {"a" * 32: 1, "b" * 32: 2}.items():
        client_identity._remembered.add(session, ("auth.User", user))
    flood = browser.ask(LOCAL, times=20, session="a" * 32)
    await until_in_loop(lambda: counted["requests_crowded"] == 15)
    assert application.running == 2
    [page] = browser.ask(LOCAL, session="b" * 32)
    await until_in_loop(lambda: application.running == 3)
    application.gate.set()
    assert (await page)[0]["status"] == 200
    assert sorted([(await each)[0]["status"] for each in flood]) == [200] * 5 + [503] * 15


async def test_unknown_clients_leave_room_for_one_that_is_known(limited: None, counted: Counted) -> None:
    application = SlowApplication()
    browser = Browser(RequestSlots(application))
    client_identity._remembered.add("c" * 32, ("auth.User", 3))
    for number in range(20):
        browser.ask(LOCAL, session=f"invented{number}")
    await until_in_loop(lambda: counted["requests_crowded"] == 15)
    assert application.running == 2
    browser.ask(LOCAL, times=2, session="c" * 32)
    await until_in_loop(lambda: application.running == 4)
    application.gate.set()
    await asyncio.gather(*browser.requests)


async def test_a_refusal_says_when_to_try_again(limited: None, settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "REQUEST_WAIT": 0.01}
    application = SlowApplication()
    browser = Browser(RequestSlots(application))
    browser.ask(ONE, times=2)
    [late] = browser.ask(ONE)
    start, body = await late
    assert start["status"] == 503
    assert dict(start["headers"])[b"retry-after"] == b"2"
    assert b"too many requests" in body["body"]
    application.gate.set()
    await asyncio.gather(*browser.requests)


async def test_a_failed_or_cancelled_request_gives_its_slot_back(limited: None) -> None:
    application = SlowApplication()
    application.is_broken = True
    browser = Browser(RequestSlots(application))
    running, waiting = browser.ask(ONE, times=2), browser.ask(ONE, times=2)
    await until_in_loop(lambda: application.running == 2)
    waiting[0].cancel()
    running[0].cancel()
    await until_in_loop(lambda: running[0].done() and application.running == 2)
    application.gate.set()
    results = await asyncio.gather(*browser.requests, return_exceptions=True)
    assert [type(each) for each in results] == [
        asyncio.CancelledError,
        RuntimeError,
        asyncio.CancelledError,
        RuntimeError,
    ]
    application.is_broken = False
    assert [(await each)[0]["status"] for each in browser.ask(ONE, times=2)] == [200, 200]


async def test_a_client_that_reads_slowly_holds_no_slot(limited: None) -> None:
    application = SlowApplication()
    application.gate.set()
    slots, reading = RequestSlots(application), asyncio.Event()

    async def send_slowly(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body":
            await reading.wait()

    slow = [asyncio.create_task(slots({"client": [ONE, 1]}, None, send_slowly)) for _ in range(5)]
    [request] = Browser(slots).ask(ONE)
    assert (await request)[0]["status"] == 200
    reading.set()
    await asyncio.gather(*slow)


LARGE = DEFAULTS.LARGE_BODY_BYTES


async def test_a_large_body_takes_the_whole_share_of_its_client(limited: None) -> None:
    application = SlowApplication()
    browser = Browser(RequestSlots(application))
    browser.ask(ONE, body=10 * LARGE)
    browser.ask(ONE)
    browser.ask(OTHER)
    await until_in_loop(lambda: application.running == 2)
    await rest_in_loop(0.05)
    assert application.running == 2
    application.gate.set()
    assert [(await each)[0]["status"] for each in browser.requests] == [200, 200, 200]


async def test_small_requests_do_not_overtake_a_large_one(limited: None) -> None:
    application = SlowApplication()
    browser = Browser(RequestSlots(application))
    first = browser.ask(ONE) + browser.ask(OTHER) + browser.ask(THIRD)
    await until_in_loop(lambda: application.running == 3)
    browser.ask(ONE, body=LARGE)  # waits for slots of its client
    browser.ask(FOURTH, body=LARGE)  # for slots of the process
    browser.ask(ONE)
    browser.ask(FIFTH)
    await rest_in_loop(0.05)
    assert application.running == 3
    first[0].cancel()
    await until_in_loop(lambda: len(application.begun) == 4)
    application.gate.set()
    await asyncio.gather(*browser.requests, return_exceptions=True)
    assert application.begun[3:5] == [(ONE, LARGE), (FOURTH, LARGE)]
    assert sorted(application.begun[5:]) == sorted([(ONE, 0), (FIFTH, 0)])


async def test_a_large_body_takes_several_places_to_wait(limited: None, counted: Counted) -> None:
    application = SlowApplication()
    browser = Browser(RequestSlots(application))
    browser.ask(ONE, times=2)
    browser.ask(ONE, times=2, body=LARGE)
    await until_in_loop(lambda: counted["requests_crowded"] == 1)
    browser.ask(ONE)
    await rest_in_loop(0.05)
    assert counted["requests_crowded"] == 1
    application.gate.set()
    assert sorted([(await each)[0]["status"] for each in browser.requests]) == [200] * 4 + [503]


@pytest.mark.parametrize(
    ("headers", "weight"),
    [
        ([], 1),
        ([(b"content-length", b"%d" % (LARGE - 1))], 1),
        ([(b"content-length", b"%d" % LARGE)], 2),
        ([(b"content-length", b"9" * 30)], 1),
        ([(b"content-length", b"-1")], 1),
        ([(b"transfer-encoding", b"chunked")], 1 + DEFAULTS.MAX_BODY_BYTES // LARGE),
    ],
)
def test_the_weight_of_a_request(headers: list[tuple[bytes, bytes]], weight: int) -> None:
    assert weight_of({"headers": headers}) == weight
