"""The fast path: one `group_send` for each stream that a transaction changed, from any process, thread or loop.

It never raises into its caller, holds it up for HEAD_START at most, and is bounded; what it loses is found by the
sweep. With a layer that reaches other processes one thread a process sends, with a loop and a connection of its own (to
each Redis): a call of `async_to_sync(group_send)` costs milliseconds and a connection, and in a server a frozen publish
would hold up joins. With the in-memory layer the message goes onto the loops of the live hubs.
"""

import asyncio
import atexit
import contextvars
import logging
import os
import threading
import time
from collections import deque
from typing import Any

from channels.layers import InMemoryChannelLayer, get_channel_layer

from realtime import streams
from realtime.conf import limits
from realtime.log.types import Numbered
from realtime.metrics import count

logger = logging.getLogger(__name__)

Message = dict[str, Any]

_TYPES = {
    "graph_execution_event": "graph.execution.event",
    "node_execution_event": "node.execution.event",
    "notification": "notification.event",
}
MIXED, ENDED = "stream.events", "stream.ended"
IN_A_ROW = 0.005  # seconds between two announcements; as long as one thread of Python may keep the others waiting
HEAD_START = 0.001  # seconds that an announcement has before a caller goes on that announces in a row
EVENT_TYPES = frozenset({*_TYPES.values(), MIXED})
"""The types of layer messages that carry events; docs/protocol.md names them all."""


def announce(numbered: Numbered) -> None:
    """Tells every process which events a stream has got, with their data unless that is large."""
    methods = {event.method for event in numbered.events}
    message: Message = {
        "type": _TYPES.get(methods.pop(), MIXED) if len(methods) == 1 else MIXED,
        "key": numbered.key,
        "epoch": numbered.epoch,
        "first": numbered.events[0].seq,
        "last": numbered.events[-1].seq,
    }
    weight = 0
    for event in numbered.events:
        weight += len(event.data.encode()) if event.data is not None else limits.MAX_ANNOUNCED_BYTES + 1
    if weight <= limits.MAX_ANNOUNCED_BYTES:
        message["events"] = [[event.seq, event.method, event.data] for event in numbered.events]
    _send(streams.group(numbered.key), message, weight)


def announce_end(key: str) -> None:
    """Tells every process that a stream is gone."""
    _send(streams.group(key), {"type": ENDED, "key": key}, 0)


_start_lock = threading.Lock()


def _send(group: str, message: Message, weight: int) -> None:
    try:
        with _start_lock:  # threads that are the first to ask would each be given another, and connect by it
            layer = get_channel_layer()
        if isinstance(layer, InMemoryChannelLayer):
            for loop in list(_loops):
                _send_soon(loop, layer, group, message)
        elif layer is not None:
            _thread().put(layer, group, message, weight)
    except Exception:
        count("announcements_failed")
        logger.exception("An announcement on %s failed; the sweep delivers what it told of", group)


# In memory

_loops: dict[asyncio.AbstractEventLoop, int] = {}
_sends: set[asyncio.Task[None]] = set()


def attach(loop: asyncio.AbstractEventLoop) -> None:
    """A hub lives on this loop: in-memory announcements are sent there."""
    _loops[loop] = _loops.get(loop, 0) + 1


def detach(loop: asyncio.AbstractEventLoop) -> None:
    """The hub has stopped."""
    _loops[loop] = _loops.get(loop, 0) - 1
    if _loops[loop] <= 0:
        del _loops[loop]


def _send_soon(loop: asyncio.AbstractEventLoop, layer: Any, group: str, message: Message) -> None:
    try:
        loop.call_soon_threadsafe(_start_send, layer, group, message, context=contextvars.Context())
    except RuntimeError:  # it was closed before its hub was stopped; the other loops still want to know
        _loops.pop(loop, None)


def _start_send(layer: Any, group: str, message: Message) -> None:
    task = asyncio.get_running_loop().create_task(_send_on_loop(layer, group, message))
    _sends.add(task)
    task.add_done_callback(_sends.discard)


async def _send_on_loop(layer: Any, group: str, message: Message) -> None:
    try:
        async with asyncio.timeout(limits.ANNOUNCE_TIMEOUT):
            await layer.group_send(group, message)
    except Exception as error:
        count("announcements_failed")
        logger.warning("An announcement on %s failed (%r); the sweep delivers what it told of", group, error)


# Through a thread


class AnnouncerThread:
    """The one thread of a process that sends, its loop, and a bounded queue in front of it.

    Where several Redis servers share the groups, each has a lane: what goes to one of them goes in turn, by one
    connection, and one that is frozen holds up its own groups only.

    The loop runs only while there is something to send. To wake one that waits for its sockets takes a system call,
    for which the caller gives the GIL away, and waits until this thread has done its work to get it back; to wake a
    thread that waits for a lock takes none.
    """

    def __init__(self) -> None:
        lock = threading.Lock()
        self._news = threading.Condition(lock)
        self._idle = threading.Condition(lock)
        self._inbox: list[tuple[Any, str, Message, int]] = []  # put, and in no lane yet
        self._is_running = False  # the loop
        self._is_ending = False
        self._waiting = 0  # announcements that were put and not yet sent
        self._weight = 0  # bytes of their data
        self._last_put = 0.0  # `time.monotonic()`
        self._lanes: dict[Any, deque[tuple[Any, str, Message, int]]] = {}
        self._sending: dict[Any, asyncio.Task[None]] = {}  # of the lanes that are not empty
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="realtime-announcer", daemon=True)
        self._thread.start()

    def put(self, layer: Any, group: str, message: Message, weight: int) -> None:
        """Queues a message; a full queue drops and counts it. Who puts one after the other would keep the GIL for as
        long as it has to compute, and waits for this one instead, unless another one is before it."""
        with self._news:
            if self._is_ending or self._waiting >= limits.ANNOUNCER_QUEUE:
                count("announcements_dropped")
                return
            if "events" not in message:
                weight = 0
            elif self._weight + weight > limits.ANNOUNCER_BYTES:
                count("announcements_thinned")
                message, weight = {name: value for name, value in message.items() if name != "events"}, 0
            self._waiting += 1
            self._weight += weight
            self._inbox.append((layer, group, message, weight))
            self._wake()
            now = time.monotonic()
            is_in_a_row, self._last_put = now - self._last_put < IN_A_ROW, now
            if is_in_a_row and self._waiting == 1:
                self._idle.wait(HEAD_START)

    def flush(self, timeout: float) -> bool:
        """Waits until all is sent, for at most `timeout` seconds, and ends the thread. Returns whether all went out."""
        end = time.monotonic() + timeout
        with self._idle:
            is_empty = self._idle.wait_for(lambda: not self._waiting, timeout)
            self._is_ending = True
            self._wake()
        self._thread.join(max(end - time.monotonic(), 0.1))
        return is_empty

    def _wake(self) -> None:
        if self._is_running:
            self._loop.call_soon_threadsafe(self._take)
        else:
            self._news.notify()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        while self._is_wanted():
            self._loop.call_soon(self._take)
            self._loop.run_forever()
        sending = list(self._sending.values())
        for task in sending:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*sending, return_exceptions=True))
        self._loop.close()

    def _is_wanted(self) -> bool:
        """Waits for something to send."""
        with self._news:
            self._is_running = False
            self._news.wait_for(lambda: self._inbox or self._is_ending)
            self._is_running = True
            return not self._is_ending

    def _take(self) -> None:
        with self._news:
            inbox, self._inbox = self._inbox, []
        for each in inbox:
            self._enqueue(*each)
        if self._is_ending or not self._sending:
            self._loop.stop()

    def _enqueue(self, layer: Any, group: str, message: Message, weight: int) -> None:
        server = _server_of(layer, group)
        lane = self._lanes.setdefault(server, deque())
        if len(lane) >= limits.ANNOUNCER_QUEUE / len(self._lanes):  # one that is frozen must not take all the room
            count("announcements_dropped")
            self._forget(weight)
            return
        lane.append((layer, group, message, weight))
        if server not in self._sending:
            self._sending[server] = self._loop.create_task(self._send_all(server))

    async def _send_all(self, server: Any) -> None:
        lane = self._lanes[server]
        while lane:
            layer, group, message, weight = lane.popleft()
            try:
                await _send_on_loop(layer, group, message)
            finally:
                self._forget(weight)
        del self._sending[server]
        self._take()

    def _forget(self, weight: int) -> None:
        with self._idle:
            self._waiting -= 1
            self._weight -= weight
            if not self._waiting:
                self._idle.notify_all()


def _server_of(layer: Any, group: str) -> Any:
    """Which of several Redis servers the group's messages go to; None where there is but one way."""
    try:
        own = layer._get_layer()  # of channels_redis' pub/sub layer, which has no public word for it
        return own._get_shard(own._get_group_channel_name(group))
    except AttributeError as error:
        global _is_said
        if not _is_said and any(each.__module__ == "channels_redis.pubsub" for each in type(layer).__mro__):
            _is_said = True
            text = "channels_redis does not say which Redis a group has (%s): a frozen one holds up the groups of all"
            logger.warning(text, error)
        return None


_is_said = False
_announcer: AnnouncerThread | None = None


def _thread() -> AnnouncerThread:
    global _announcer
    if _announcer is None:
        with _start_lock:
            if _announcer is None:
                _announcer = AnnouncerThread()
    return _announcer


def flush() -> None:
    """Sends what is queued, for at most ANNOUNCE_TIMEOUT seconds; runs when the process exits."""
    global _announcer
    announcer, _announcer = _announcer, None
    if announcer and not announcer.flush(limits.ANNOUNCE_TIMEOUT):
        count("announcements_dropped")
        logger.warning("The process ends before all announcements are out; the sweep delivers what they told of")


_inherited: list[AnnouncerThread | None] = []


def _forget() -> None:
    """In a forked child the thread does not exist; its first announcement starts another. What is left of it is kept:
    its loop shares the parent's sockets and epoll, and must not be closed here."""
    global _announcer, _start_lock
    _inherited.append(_announcer)
    _announcer, _start_lock = None, threading.Lock()
    _loops.clear()


atexit.register(flush)
os.register_at_fork(after_in_child=_forget)
