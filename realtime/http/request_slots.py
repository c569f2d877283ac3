"""How many HTTP requests the application serves at the same time. An ASGI middleware, for any server.

Django runs each synchronous request in a thread of its own, without a bound: 200 slow requests are 200 threads, which
want 200 database connections. Here a request waits for a slot. One client has only a part of the slots and of the
places to wait, so it cannot keep the others out. A request that finds no place, or waits too long, gets 503.
`client_identity.py` says who the client is: an address, or a user behind a proxy on this machine. Requests of clients
that it does not know together leave room for one that it knows.

A request with a large body takes several slots and places, one for each LARGE_BODY_BYTES. It is in memory while it
waits, and some of its work keeps the whole interpreter busy: six of a client at once would stop the event loop.

A slot is free again when the response starts, so a client that reads slowly holds none. A view whose client has gone
keeps its slot until its thread ends, or the server cancels the request after ten seconds.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, NamedTuple

from realtime.conf import limits
from realtime.http.asgi_response import respond
from realtime.http.client_identity import client_of
from realtime.metrics import count

Scope = dict[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]

RETRY_AFTER = b"2"  # seconds
BODY = b"The server has too many requests at once. Try again in a moment.\n"


class _Waiting(NamedTuple):
    client: Hashable
    slots: int  # that it needs
    places: int  # that it takes while it waits
    turn: "asyncio.Future[None]"


class Slots:
    """The slots of one process. All calls come from the thread of one event loop."""

    def __init__(self) -> None:
        self._running: Counter[Hashable] = Counter()  # slots by client; None is all unknown ones
        self._waiting: deque[_Waiting] = deque()  # first come, first served

    async def acquire(self, client: Hashable, weight: int = 1) -> int:
        """Waits for so many slots, or for all that the client can have. Returns their number, or 0 if there is no place
        to wait, or the wait was too long."""
        share = _share(client, limits.MAX_WAITING_REQUESTS, limits.MAX_ADDRESS_WAITING_REQUESTS)
        slots = min(weight, _most_slots(client))
        place = _Waiting(client, slots, min(weight, share), asyncio.get_running_loop().create_future())
        self._waiting.append(place)
        self._give_slots()
        if place.turn.done():
            return slots
        all_places = sum(each.places for each in self._waiting)
        mine = sum(each.places for each in self._waiting if each.client == client)
        if all_places > limits.MAX_WAITING_REQUESTS or mine > share:
            self._waiting.remove(place)
            return 0
        try:
            async with asyncio.timeout(limits.REQUEST_WAIT):
                await place.turn
        except BaseException as error:
            if place in self._waiting:
                self._waiting.remove(place)
                self._give_slots()
            else:
                self.release(client, slots)  # they came in the same turn of the loop
            if isinstance(error, TimeoutError):
                return 0
            raise
        return slots

    def release(self, client: Hashable, slots: int) -> None:
        """Gives back what `acquire` has returned."""
        self._running[client] -= slots
        if not self._running[client]:
            del self._running[client]
        self._give_slots()

    def _give_slots(self) -> None:
        """To all that wait and have room. Nobody overtakes a request of the same client, nor one that waits for slots
        of the process: many small requests would keep a large one waiting for ever."""
        passed: set[Hashable] = set()
        for place in list(self._waiting):
            client = place.client
            if client in passed or place.turn.cancelled():
                continue
            if self._running[client] + place.slots > _most_slots(client):
                passed.add(client)
            elif self._running.total() + place.slots > limits.MAX_HTTP_REQUESTS:
                break
            else:
                self._waiting.remove(place)
                self._running[client] += place.slots
                place.turn.set_result(None)


def _share(client: Hashable, total: int, of_one: int) -> int:
    return max(1, total - of_one) if client is None else of_one


def _most_slots(client: Hashable) -> int:
    most: int = limits.MAX_HTTP_REQUESTS
    return min(most, _share(client, most, limits.MAX_ADDRESS_HTTP_REQUESTS))


def weight_of(scope: Scope) -> int:
    """How many slots and places a request takes, by the size of its body."""
    headers = dict(scope.get("headers", ()))
    if b"transfer-encoding" in headers:
        size = limits.MAX_BODY_BYTES  # not known before it is read
    else:
        length = headers.get(b"content-length", b"")
        size = int(length) if length.isdigit() and len(length) < 20 else 0
    return 1 + int(size // limits.LARGE_BODY_BYTES)


class RequestSlots:
    """Passes each HTTP request to `application` once it has a slot."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._slots = Slots()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        client = client_of(scope)
        slots = await self._slots.acquire(client, weight_of(scope))
        if not slots:
            count("requests_crowded")
            retry_after = (b"retry-after", RETRY_AFTER)
            await respond(send, 503, BODY, content_type="text/plain; charset=utf-8", headers=[retry_after])
            return
        is_held = True

        def release() -> None:
            nonlocal is_held
            if is_held:
                is_held = False
                self._slots.release(client, slots)

        async def send_and_release(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                release()
            await send(message)

        try:
            await self._application(scope, receive, send_and_release)
        finally:
            release()
