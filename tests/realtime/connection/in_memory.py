"""A writer with a socket and a log in memory."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from realtime.connection.writer import Writer
from realtime.subscription.subscription import SocketSubscription
from realtime.wire.event import Event
from tests.realtime.subscriptions import new_subscription

PATIENCE = 20.0  # seconds; only a test that fails waits for so long


class Socket:
    """The client's side. It takes frames while its gate is open, and one more."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[str] = asyncio.Queue()
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: BaseException | None = None

    @property
    def is_broken(self) -> bool:
        return self.error is not None

    async def send(self, message: dict[str, Any]) -> None:
        if self.error:
            raise self.error
        self.frames.put_nowait(message["text"])
        await self.gate.wait()

    async def next(self, count: int) -> list[str]:
        return [await asyncio.wait_for(self.frames.get(), PATIENCE) for _ in range(count)]

    async def is_quiet(self) -> bool:
        """Whether no frame comes while all tasks run."""
        for _ in range(50):
            await asyncio.sleep(0)
        return self.frames.empty()


class SocketSender:
    """The direct sender of a socket."""

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self.held: list[str] | None = None
        self.releases: list[list[str]] = []

    def send(self, text: str | None) -> bool:
        if self.socket.is_broken or not self.socket.gate.is_set():
            return False
        assert text
        if self.held is None:
            self.socket.frames.put_nowait(text)
        else:
            self.held.append(text)
        return True

    def hold(self) -> None:
        if self.held is None:
            self.held = []

    def release(self) -> None:
        held, self.held = self.held or [], None
        self.releases.append(held)
        for text in held:
            self.socket.frames.put_nowait(text)


Fill = Callable[[SocketSubscription], Awaitable[None]]


class Log:
    """A log that notes the keys of its reads."""

    def __init__(self) -> None:
        self.answer: Fill = self.no_answer
        self.asked: list[str] = []

    async def no_answer(self, subscription: SocketSubscription) -> None:
        raise AssertionError("this test has no log")

    async def fill(self, subscription: SocketSubscription) -> None:
        self.asked.append(subscription.key)
        await self.answer(subscription)


class Connection:
    """A writer, its socket, and the log of its subscriptions."""

    def __init__(self, *, sends_at_once: bool) -> None:
        self.socket = Socket()
        self.log = Log()
        self.direct_sender = SocketSender(self.socket) if sends_at_once else None
        self.failures: list[Exception] = []
        self.writer = Writer(self.socket.send, self.direct_sender, on_failure=self.failures.append)
        self.running = self.writer.start()

    async def is_held_up(self) -> None:
        """Sends one frame. The next ones wait until the gate opens."""
        self.socket.gate.clear()
        self.writer.answer("held up")
        assert await self.socket.next(1) == ["held up"]

    def subscribe(self, key: str, *, cursor: int = 0, head: int | None = None, **options: Any) -> SocketSubscription:
        subscription = new_subscription(self.writer, key, **options)
        subscription.log_reader = self.log
        subscription.start(cursor, cursor if head is None else head)
        return subscription


def event(seq: int, key: str = "a", method: str = "changed") -> Event:
    return Event(seq, method, f'"{key}{seq}"', key)


def frame(seq: int, key: str = "a") -> str:
    return event(seq, key).frame
