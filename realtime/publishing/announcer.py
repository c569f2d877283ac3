"""The fast path: one `group_send` for each stream that a transaction changed, from any process, thread or loop.

`announce` never raises. It delays its caller by BURST_WAIT at most, and its queue is bounded. The sweep finds the
events of a lost announcement.

With a channel layer that reaches other processes, the process has one announcer thread (`announcer_thread.py`).
`async_to_sync(group_send)` would cost each call milliseconds and a connection, and a publish that hangs in a server
would delay joins. With the in-memory layer, the message is sent on the loops of the live hubs.
"""

import asyncio
import atexit
import contextvars
import logging
import os
import threading
from typing import Any

from channels.layers import InMemoryChannelLayer, get_channel_layer

from realtime import streams
from realtime.conf import limits
from realtime.log.types import NumberedEvents
from realtime.metrics import count
from realtime.publishing.announcer_thread import AnnouncerThread
from realtime.publishing.group_send import Message, group_send

logger = logging.getLogger(__name__)

_TYPES = {  # from the method of all events of a message to the message's type
    "graph_execution_event": "graph.execution.event",
    "node_execution_event": "node.execution.event",
    "notification": "notification.event",
}
MIXED, ENDED = "stream.events", "stream.ended"
EVENT_TYPES = frozenset({*_TYPES.values(), MIXED})
"""The types of layer messages that carry events; docs/protocol.md names them all."""


def announce(numbered: NumberedEvents) -> None:
    """Tells every process the numbers of a stream's new events. Their data goes along unless it is large."""
    methods = {event.method for event in numbered.events}
    message: Message = {
        "type": _TYPES.get(methods.pop(), MIXED) if len(methods) == 1 else MIXED,
        "key": numbered.key,
        "epoch": numbered.epoch,
        "first": numbered.events[0].seq,
        "last": numbered.events[-1].seq,
    }
    if numbered.committed_at is not None:
        message["at"] = numbered.committed_at
    size = 0
    for event in numbered.events:
        size += len(event.data.encode()) if event.data is not None else limits.MAX_ANNOUNCED_BYTES + 1
    if size <= limits.MAX_ANNOUNCED_BYTES:
        message["events"] = [
            [event.seq, event.method, event.data, *([] if event.id is None else [event.id])]
            for event in numbered.events
        ]
    _send(streams.group(numbered.key), message, size)


def announce_end(key: str) -> None:
    """Tells every process that a stream is gone."""
    _send(streams.group(key), {"type": ENDED, "key": key}, 0)


def _send(group: str, message: Message, size: int) -> None:
    try:
        with _start_lock:  # else two first threads would get two layers, and a connection each
            layer = get_channel_layer()
        if isinstance(layer, InMemoryChannelLayer):
            for loop in list(_loops):
                _send_on_loop(loop, layer, group, message)
        elif layer is not None:
            _announcer_thread().enqueue(layer, group, message, size)
    except Exception:
        count("announcements_failed")
        logger.exception("An announcement on %s failed; the sweep delivers its events", group)


# The in-memory layer

_loops: dict[asyncio.AbstractEventLoop, int] = {}  # how many hubs live on each loop
_send_tasks: set[asyncio.Task[None]] = set()  # the event loop itself keeps weak references only


def attach(loop: asyncio.AbstractEventLoop) -> None:
    """A hub lives on this loop: in-memory announcements are sent there."""
    _loops[loop] = _loops.get(loop, 0) + 1


def detach(loop: asyncio.AbstractEventLoop) -> None:
    """A hub of this loop has stopped."""
    _loops[loop] = _loops.get(loop, 0) - 1
    if _loops[loop] <= 0:
        del _loops[loop]


def _send_on_loop(loop: asyncio.AbstractEventLoop, layer: Any, group: str, message: Message) -> None:
    try:
        loop.call_soon_threadsafe(_start_send, layer, group, message, context=contextvars.Context())
    except RuntimeError:  # the loop was closed before its hub was stopped
        _loops.pop(loop, None)


def _start_send(layer: Any, group: str, message: Message) -> None:
    task = asyncio.get_running_loop().create_task(group_send(layer, group, message))
    _send_tasks.add(task)
    task.add_done_callback(_send_tasks.discard)


# The announcer thread

_start_lock = threading.Lock()
_announcer: AnnouncerThread | None = None
_inherited: list[AnnouncerThread | None] = []  # of the parent processes


def _announcer_thread() -> AnnouncerThread:
    global _announcer
    if _announcer is None:
        with _start_lock:
            if _announcer is None:
                _announcer = AnnouncerThread()
    return _announcer


def load() -> tuple[int, int]:
    """How many announcements the thread has queued or is sending, and the bytes of their data."""
    return _announcer.load if _announcer else (0, 0)


def flush() -> None:
    """Sends what is queued, for at most ANNOUNCE_TIMEOUT seconds. Runs when the process exits."""
    global _announcer
    announcer, _announcer = _announcer, None
    if announcer and not announcer.flush(limits.ANNOUNCE_TIMEOUT):
        count("announcements_dropped")
        logger.warning("The process ends before all announcements are sent; the sweep delivers their events")


def _reset_after_fork() -> None:
    """A forked child does not have the thread; its first announcement starts one. The parent's object is kept, because
    its loop shares sockets and epoll with the parent and must not be closed in the child."""
    global _announcer, _start_lock
    _inherited.append(_announcer)
    _announcer, _start_lock = None, threading.Lock()
    _loops.clear()


atexit.register(flush)
os.register_at_fork(after_in_child=_reset_after_fork)
