"""How many HTTP requests the application serves at the same time. An ASGI middleware, for any server.

Django runs each synchronous request in a thread of its own, without a bound: 200 slow requests are 200 threads, which
want 200 database connections. Here a request waits for a slot. One client has only a part of the slots and of the
places to wait, so it cannot keep the others out. A request that finds no place, or waits too long, gets 503.
`client_identity.py` says who the client is: an address, or a user behind a proxy on this machine. Requests of clients
that it does not know together leave room for one that it knows.

A slot is free again when the response starts, so a client that reads slowly holds none. A view whose client has gone
keeps its slot until its thread ends, or the server cancels the request after ten seconds.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Any

from realtime.conf import limits
from realtime.http.asgi_response import respond
from realtime.http.client_identity import client_of
from realtime.metrics import count

Scope = dict[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]

RETRY_AFTER = b"2"  # seconds
BODY = b"The server has too many requests at once. Try again in a moment.\n"


class Slots:
    """The slots of one process. All calls come from the thread of one event loop."""

    def __init__(self) -> None:
        self._running: Counter[Hashable] = Counter()  # by client; None is all unknown ones
        self._waiting: deque[tuple[Hashable, asyncio.Future[None]]] = deque()  # first come, first served

    async def acquire(self, client: Hashable) -> bool:
        """Waits for a slot. Returns False if there is no place to wait, or the wait was too long."""
        if self._has_room(client):
            self._running[client] += 1
            return True
        mine = sum(1 for each, _ in self._waiting if each == client)
        share = _share(client, limits.MAX_WAITING_REQUESTS, limits.MAX_ADDRESS_WAITING_REQUESTS)
        if len(self._waiting) >= limits.MAX_WAITING_REQUESTS or mine >= share:
            return False
        place = (client, asyncio.get_running_loop().create_future())
        self._waiting.append(place)
        try:
            async with asyncio.timeout(limits.REQUEST_WAIT):
                await place[1]
        except BaseException as error:
            if place in self._waiting:
                self._waiting.remove(place)
            else:
                self.release(client)  # the slot came in the same turn of the loop
            if isinstance(error, TimeoutError):
                return False
            raise
        return True

    def release(self, client: Hashable) -> None:
        """Gives a slot back. Call it once for each `acquire` that returned True."""
        self._running[client] -= 1
        if not self._running[client]:
            del self._running[client]
        for place in self._waiting:
            if self._has_room(place[0]):
                self._waiting.remove(place)
                self._running[place[0]] += 1
                place[1].set_result(None)
                return

    def _has_room(self, client: Hashable) -> bool:
        share = _share(client, limits.MAX_HTTP_REQUESTS, limits.MAX_ADDRESS_HTTP_REQUESTS)
        return self._running.total() < limits.MAX_HTTP_REQUESTS and self._running[client] < share


def _share(client: Hashable, total: int, of_one: int) -> int:
    return max(1, total - of_one) if client is None else of_one


class RequestSlots:
    """Passes each HTTP request to `application` once it has a slot."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._slots = Slots()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        client = client_of(scope)
        if not await self._slots.acquire(client):
            count("requests_crowded")
            retry_after = (b"retry-after", RETRY_AFTER)
            await respond(send, 503, BODY, content_type="text/plain; charset=utf-8", headers=[retry_after])
            return
        is_held = True

        def release() -> None:
            nonlocal is_held
            if is_held:
                is_held = False
                self._slots.release(client)

        async def send_and_release(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                release()
            await send(message)

        try:
            await self._application(scope, receive, send_and_release)
        finally:
            release()
