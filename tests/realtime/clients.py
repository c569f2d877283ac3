"""Clients of the socket, with the same methods in process and over the network.

async with InProcess(user=user) as client:            the real ASGI application, in the test's own loop
    ...
async with OverNetwork(server.websocket_url) as client:   a server's port
    answer = await client.ask("subscribe_graph_execution", {"graph_exec_id": "..."})
    event = await client.frame()
"""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from channels.testing import WebsocketCommunicator

from config.asgi import application

PATIENCE = 20.0  # seconds until something that must happen counts as never happening
PONG = {"method": "heartbeat", "data": "pong", "success": True}

Frame = dict[str, Any]


class HandshakeRefused(Exception):  # noqa: N818
    """The server refused before accepting; the text is the HTTP status. `body` is what a browser would not show."""

    def __init__(self, status: str, body: str = "") -> None:
        super().__init__(status)
        self.body = body


class SocketClosed(Exception):  # noqa: N818
    """The server closed where a frame was expected; the text is its code."""


class Client(ABC):
    """One connection of one user."""

    subprotocol: str | None = None  # the one that the server has selected

    @abstractmethod
    async def connect(self) -> None:
        """Raises HandshakeRefused."""

    @abstractmethod
    async def send_text(self, text: str) -> None: ...

    @abstractmethod
    async def send_bytes(self, data: bytes) -> None: ...

    @abstractmethod
    async def text(self) -> str:
        """The next frame as it came. Raises SocketClosed."""

    @abstractmethod
    async def close_code(self) -> int:
        """The code with which the server closes, after the frames that have been read."""

    @abstractmethod
    async def disconnect(self) -> None: ...

    async def send(self, method: str, data: Any = None, **fields: Any) -> None:
        await self.send_text(json.dumps({"method": method, "data": data, **fields}))

    async def frame(self) -> Frame:
        frame: Frame = json.loads(await self.text())
        return frame

    async def frames(self, count: int) -> list[Frame]:
        return [await self.frame() for _ in range(count)]

    async def until(self, is_last: Callable[[Frame], bool]) -> list[Frame]:
        """The next frames, up to and including the last."""
        frames = [await self.frame()]
        while not is_last(frames[-1]):
            frames.append(await self.frame())
        return frames

    async def ask(self, method: str, data: Any = None, **fields: Any) -> Frame:
        """Sends a request and returns the next frame. It is the answer if no event comes before it."""
        await self.send(method, data, **fields)
        return await self.frame()

    async def ping(self) -> None:
        """Returns when the next frame was the answer to a heartbeat."""
        answer = await self.ask("heartbeat", "ping", success=True)
        assert answer == PONG, answer

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.disconnect()


class InProcess(Client):
    """A socket of the ASGI application itself. `user` is as an outer middleware would set it; without one the headers
    decide."""

    def __init__(
        self,
        path: str = "/ws",
        *,
        user: Any = None,
        headers: Sequence[tuple[str, str]] = (),
        subprotocols: Sequence[str] = (),
        room: int = 0,
    ) -> None:
        """`room` is how many frames may be unread before `send()` waits; 0 is no limit."""
        sent = [(name.lower().encode(), value.encode()) for name, value in [("host", "localhost"), *headers]]
        self.communicator = WebsocketCommunicator(application, path, headers=sent, subprotocols=list(subprotocols))
        self.communicator._output_queue = asyncio.Queue(room)
        if user is not None:
            self.communicator.scope["user"] = user

    async def connect(self) -> None:
        is_accepted, detail = await self.communicator.connect(timeout=PATIENCE)
        if not is_accepted:
            await self.disconnect()  # as servers tell the application
            raise HandshakeRefused("403")
        self.subprotocol = detail

    async def send_text(self, text: str) -> None:
        await self.communicator.send_input({"type": "websocket.receive", "text": text})

    async def send_bytes(self, data: bytes) -> None:
        await self.communicator.send_input({"type": "websocket.receive", "bytes": data})

    async def text(self) -> str:
        message = await self.communicator.receive_output(timeout=PATIENCE)
        if message["type"] == "websocket.close":
            raise SocketClosed(str(message.get("code", 1000)))
        text = message["text"]
        assert isinstance(text, str)
        return text

    async def close_code(self) -> int:
        message = await self.communicator.receive_output(timeout=PATIENCE)
        assert message["type"] == "websocket.close", message
        return int(message.get("code", 1000))

    async def disconnect(self) -> None:
        await self.communicator.disconnect(timeout=PATIENCE)

    async def vanish(self) -> None:
        """The server stops: the application is cancelled and gets no disconnect message."""
        self.communicator.stop(exceptions=False)
        await asyncio.wait({self.communicator.future}, timeout=PATIENCE)


class OverNetwork(Client):
    """A socket of a server, by the package websockets. Raises ImportError if that is not installed."""

    def __init__(
        self,
        url: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        subprotocols: Sequence[str] = (),
        room: int = 0,
    ) -> None:
        """`room` is how many frames may be unread before the client stops reading from the network; 0 is no limit. A
        client that does not read cannot take part in closing either."""
        from websockets.asyncio.client import connect

        self._connecting = connect(
            url,
            additional_headers=list(headers),
            subprotocols=list(subprotocols) or None,  # type: ignore[arg-type]
            compression=None,
            max_size=None,
            max_queue=room or None,
            ping_interval=None,
            proxy=None,
            open_timeout=PATIENCE,
            close_timeout=PATIENCE,
        )
        self.address = urlsplit(url).netloc

    async def connect(self) -> None:
        from websockets.exceptions import InvalidMessage, InvalidStatus

        try:
            self.connection = await self._connecting
        except InvalidStatus as refusal:
            response = refusal.response
            raise HandshakeRefused(str(response.status_code), (response.body or b"").decode()) from None
        except InvalidMessage:
            raise ConnectionError("The server went away during the handshake.") from None
        self.subprotocol = self.connection.subprotocol

    async def send_text(self, text: str) -> None:
        await self.connection.send(text)

    async def send_bytes(self, data: bytes) -> None:
        await self.connection.send(data)

    async def text(self) -> str:
        from websockets.exceptions import ConnectionClosed

        try:
            async with asyncio.timeout(PATIENCE):
                text = await self.connection.recv()
        except ConnectionClosed as closed:
            raise SocketClosed(str(closed.rcvd.code if closed.rcvd else 1006)) from None
        except TimeoutError:
            raise AssertionError(f"Nothing came for {PATIENCE} s.") from None
        assert isinstance(text, str)
        return text

    async def close_code(self) -> int:
        async with asyncio.timeout(PATIENCE):
            await self.connection.wait_closed()
        assert self.connection.close_code is not None
        return self.connection.close_code

    async def disconnect(self) -> None:
        await self.connection.close()
