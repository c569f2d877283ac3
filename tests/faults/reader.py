"""A client that behaves as a browser: it keeps its cursors and epochs, and reconnects with full jitter.

    reader = Reader(urls, user, streams, ...)
    reader.start()
    await reader.reach({key: head})

It can also misbehave: `stop_reading()`, `pause` makes it slow, `reset()` cuts its connection.
"""

import asyncio
import itertools
import json
import random
import socket
import struct
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

try:
    from websockets.asyncio.client import ClientConnection, connect
    from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage
except ImportError:  # skips the test modules that import this one
    import pytest

    pytest.skip("There is no client for faults: pip install -r requirements-dev.txt", allow_module_level=True)

from tests.faults.history import FOREIGN, History, Seen, Violations
from tests.waiting import rest_in_loop

PATIENCE = 30.0  # seconds; only a test that fails waits so long


class Stream(NamedTuple):
    """A stream, and the request that subscribes to it."""

    key: str
    method: str
    data: Mapping[str, Any]


def execution(key: str, id: str) -> Stream:
    return Stream(key, "subscribe_graph_execution", {"graph_exec_id": id})


def graph(key: str, id: str) -> Stream:
    return Stream(key, "subscribe_graph_executions", {"graph_id": id})


def notifications(key: str) -> Stream:
    return Stream(key, "subscribe_notifications", {})


class Reader:
    """Connects to a random one of `urls` each time. `urls` may be changed while it runs."""

    def __init__(
        self,
        name: str,
        user: Mapping[str, str],
        streams: Sequence[Stream],
        *,
        urls: Sequence[str],
        seen: Seen,
        violations: Violations,
        seed: int = 0,
        first_delay: float = 0.1,
        longest_delay: float = 2.0,
        receive_buffer: int | None = None,
    ) -> None:
        self.name, self.user, self.urls = name, user, urls
        self.streams = {stream.key: stream for stream in streams}
        self.histories = {key: History(key, seen, violations, name) for key in self.streams}
        self.pause = 0.0  # seconds after each frame
        self.is_slow = False  # on purpose: its lag does not count
        self.connects = 0
        self.closes: Counter[int] = Counter()
        self.errors: list[str] = []
        self.lag = 0.0  # seconds; the highest of the live events since it was set to 0
        self._violations = violations
        self._random = random.Random(seed)
        self._first_delay, self._longest_delay = first_delay, longest_delay
        self._receive_buffer = receive_buffer
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._connection: ClientConnection | None = None
        self._running: asyncio.Task[None] | None = None
        self._asking: set[asyncio.Task[None]] = set()
        self._pongs: list[asyncio.Future[None]] = []
        self._ids = itertools.count()
        self._restarts: dict[str, int] = {}  # cursors by the id of the request
        self._goal: Mapping[str, int] = {}
        self._reached = asyncio.Event()

    # Actions

    def start(self) -> None:
        self._running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Closes the connection and stays closed."""
        running, self._running = self._running, None
        if running:
            running.cancel()
            await asyncio.wait({running})

    async def reconnect(self) -> None:
        """Closes the connection; the reader opens another one."""
        if self._connection:
            await self._connection.close()

    def reset(self) -> None:
        """Cuts the connection with a TCP reset."""
        if self._connection:
            transport = self._connection.transport
            with suppress(OSError):  # it is closed already
                linger = struct.pack("ii", 1, 0)
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            transport.abort()

    def stop_reading(self) -> None:
        """Reads no more frames until `resume_reading`."""
        self.is_slow = True
        self._may_read.clear()

    def resume_reading(self) -> None:
        self._may_read.set()

    async def ping(self) -> None:
        """Sends a heartbeat and waits for its answer."""
        assert self._connection, f"{self.name} is not connected"
        pong: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pongs.append(pong)
        await self._connection.send('{"method":"heartbeat","data":"ping"}')
        await asyncio.wait_for(pong, PATIENCE)

    async def ask(self, method: str, data: Any, **fields: Any) -> None:
        """Sends a request and does not wait for the answer."""
        assert self._connection, f"{self.name} is not connected"
        await self._connection.send(json.dumps({"method": method, "data": data, **fields}))

    async def subscribe(self, key: str) -> None:
        """Subscribes from the present cursor."""
        stream = self.streams[key]
        await self.ask(stream.method, {**stream.data, **self.histories[key].options()}, id=key)

    async def subscribe_again(self, key: str, cursor: int) -> None:
        """Subscribes from another cursor, which counts from the answer on."""
        stream, id = self.streams[key], f"again {next(self._ids)}"
        self._restarts[id] = cursor
        await self.ask(stream.method, {**stream.data, "after": cursor}, id=id)

    async def reach(self, heads: Mapping[str, int], patience: float = PATIENCE) -> None:
        """Waits until every stream has received its head. Raises AssertionError after `patience` seconds."""
        self._goal = {key: head for key, head in heads.items() if key in self.histories}
        self._reached.clear()
        self._check_goal()
        try:
            await asyncio.wait_for(self._reached.wait(), patience)
        except TimeoutError:
            raise AssertionError(f"{self.name} {self.state()}; did not receive all events: {self.missing()}") from None
        finally:
            self._goal = {}

    def missing(self) -> dict[str, str]:
        return {
            key: f"{self.histories[key].cursor} of {head}, answered: {self.histories[key].is_answered}"
            for key, head in self._goal.items()
            if not self.histories[key].has_reached(head)
        }

    def state(self) -> str:
        where = "is connected" if self._connection else "is not connected"
        return f"{where}, {self.connects} connects, closes {dict(self.closes)}, last errors {self.errors[-3:]}"

    @property
    def received(self) -> int:
        return sum(history.received for history in self.histories.values())

    # The connection

    async def _run(self) -> None:
        attempt = 0
        while True:
            before = self.received
            try:
                await self._connect_and_read()
            except ConnectionClosed as closed:
                self.closes[closed.rcvd.code if closed.rcvd else 1006] += 1
            except (InvalidHandshake, InvalidMessage, OSError, EOFError, TimeoutError):
                self.closes[0] += 1
            attempt = 0 if self.received > before else attempt + 1
            await rest_in_loop(self._random.uniform(0, min(self._longest_delay, self._first_delay * 2**attempt)))

    async def _connect_and_read(self) -> None:
        url = self._random.choice(self.urls)
        connection = await connect(
            url,
            sock=await self._socket(url),
            subprotocols=["bearer", self.user["token"]],  # type: ignore[list-item]
            compression=None,
            max_size=None,
            max_queue=16,
            ping_interval=None,
            proxy=None,
            open_timeout=30,
            close_timeout=5,
        )
        self._connection = connection
        self.connects += 1
        try:
            for key in self.histories:
                await self.subscribe(key)
            while True:
                await self._may_read.wait()
                self._on_frame(str(await connection.recv()))
                if self.pause:
                    await rest_in_loop(self.pause)
        finally:
            self._connection = None
            for history in self.histories.values():
                history.disconnected()
            for pong in self._pongs:
                pong.cancel()
            self._pongs.clear()
            for task in self._asking:
                task.cancel()
            await connection.close()

    async def _socket(self, url: str) -> socket.socket | None:
        """A socket with a small receive buffer, so that the server soon notices a client that does not read. None for
        the default of the library."""
        if self._receive_buffer is None:
            return None
        own = socket.socket()
        try:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
            own.setblocking(False)
            address = urlsplit(url)
            await asyncio.get_running_loop().sock_connect(own, (address.hostname, address.port))
        except BaseException:
            own.close()
            raise
        return own

    async def _subscribe_later(self, key: str) -> None:
        await rest_in_loop(self._random.uniform(0, self._longest_delay))
        await self.subscribe(key)

    def _on_frame(self, text: str) -> None:
        frame = json.loads(text)
        method: str = frame["method"]
        if method == "heartbeat":
            if self._pongs and not (pong := self._pongs.pop(0)).done():
                pong.set_result(None)
        elif method == "error":
            self._on_error(frame)
        elif method.startswith("subscribe_"):
            history = self.histories.get(frame["channel"])
            if history and frame["data"]:  # an answer without data belongs to a subscribe without numbers
                history.cursor = self._restarts.pop(str(frame.get("id")), history.cursor)
                history.answered(frame["data"])
                self._check_goal()
        elif method == "unsubscribe":
            if history := self.histories.get(frame["channel"]):
                history.disconnected()
        else:
            self._on_event(frame, text)

    def _on_error(self, frame: Mapping[str, Any]) -> None:
        self.errors.append(frame["error"])
        if (key := frame.get("id")) in self.histories and frame["error"] == "Internal error":
            task = asyncio.create_task(self._subscribe_later(str(key)))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    def _on_event(self, frame: Mapping[str, Any], text: str) -> None:
        data = frame["data"]
        key = frame["channel"] or self.user["notifications"]
        if data.get("user_id", data.get("of", self.user["id"])) != self.user["id"]:
            self._violations.add(FOREIGN, f"{self.name} got an event of another user: {text[:200]}")
        history, seq = self.histories.get(key), frame.get("seq")
        if key == self.user["notifications"] and seq is None and not (history and history.is_answered):
            return  # notifications come without numbers until a subscribe for numbers is answered
        if history is None:
            self._violations.add(FOREIGN, f"{self.name} got an event of {key}, to which it did not subscribe")
            return
        history.event(seq, text[text.index('"data":') + 7 : text.rindex(',"success":')])
        if seq and seq >= history.live_from:
            at = data.get("at") or (data.get("input_data") or {}).get("at")
            if at:
                self.lag = max(self.lag, time.time() - at)
        if key in self._goal and history.cursor >= self._goal[key]:
            self._check_goal()

    def _check_goal(self) -> None:
        if self._goal and all(self.histories[key].has_reached(head) for key, head in self._goal.items()):
            self._reached.set()
