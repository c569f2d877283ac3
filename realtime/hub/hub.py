"""The hub of one process: which streams its sockets watch, and what each of them has got so far.

A group message is a hint. Events that come in order are handed to the stream's subscriptions; a hole is read from the
log, once for all of them; and the sweep compares with the log whatever no hint told of.
"""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

from realtime import streams
from realtime.db import in_thread
from realtime.hub.group_membership import GroupMembership
from realtime.hub.page_cache import PageCache
from realtime.hub.watched_stream import WatchedStream
from realtime.log.types import StreamPosition
from realtime.metrics import count
from realtime.publishing import announcer
from realtime.publishing.after_commit import numbered_head
from realtime.subscription.subscription import SocketSubscription
from realtime.wire.event import Event


class Hub:
    """What the sockets of one event loop watch. The registry makes it, starts it and stops it."""

    def __init__(self) -> None:
        self.sockets = 0
        self.streams: dict[str, WatchedStream] = {}
        self.pages = PageCache()
        self.groups = GroupMembership(self._on_message)
        self.sweeping: asyncio.Task[None] | None = None  # the registry starts it

    def start(self) -> None:
        """Begins to listen to the channel layer."""
        self.groups.start()

    async def stop(self) -> None:
        """Closes all streams and leaves all groups."""
        for live in list(self.streams.values()):
            live.close()
        self.streams.clear()
        await self.groups.stop()

    # What the sockets want

    async def subscribe(self, subscription: SocketSubscription) -> StreamPosition:
        """Registers the subscription, joins the stream's group, and only then reads where the stream stands. The caller
        starts the subscription from there. Raises what the database raises."""
        live = self.streams.get(subscription.key)
        if live is None:
            live = self.streams[subscription.key] = WatchedStream(subscription.key, self.pages)
        live.subscriptions.add(subscription)
        try:
            await self.groups.join(streams.group(live.key))
            stream = await live.read_head()
        except BaseException:
            await self.unsubscribe(subscription)
            raise
        live.on_head(stream)
        return stream

    async def unsubscribe(self, subscription: SocketSubscription) -> None:
        """Nothing more comes; the last subscription of a stream leaves its group."""
        subscription.stop()
        live = self.streams.get(subscription.key)
        if live is None:
            return
        live.subscriptions.discard(subscription)
        if not live.subscriptions:
            del self.streams[live.key]
            live.close()
            await self.groups.leave(streams.group(live.key))

    def end(self, live: WatchedStream) -> None:
        """The stream is gone: every subscription is stopped and told. A user's notifications never end: who watches
        them goes on with those to come."""
        if self.streams.get(live.key) is not live:
            return
        if streams.is_notifications(live.key):
            live.restart()
            return
        del self.streams[live.key]
        live.close()
        for subscription in live.subscriptions.each():
            subscription.stop()
            subscription.on_end(subscription)
        self.groups.leave_soon(streams.group(live.key))

    async def reread_head(self, key: str) -> StreamPosition:
        """Where the stream stands now; if another history has begun, its subscriptions hear of it, too."""
        live = self.streams.get(key)
        if live is None:
            return await in_thread(numbered_head, key)
        stream = await live.read_head()
        if self.streams.get(key) is live:
            live.on_head(stream)
        return stream

    def is_current(self, key: str, stream: StreamPosition) -> bool:
        """Whether `stream` is still the history of this key."""
        live = self.streams.get(key)
        return live is None or live.is_current(stream)

    async def fill(self, subscription: SocketSubscription) -> None:
        """Reads for a subscription what it wants from the log."""
        live = self.streams.get(subscription.key)
        if live:
            await live.fill(subscription)

    # What arrives on the groups: each message type has its handler. What another version of this program sends and this
    # one does not understand is counted, and left to the sweep.

    def _on_message(self, message: Any) -> None:
        try:
            handler, live = self._handlers.get(message["type"]), self.streams.get(message["key"])
        except (KeyError, TypeError):
            handler = live = None
        if handler and live:
            handler(self, live, message)
        else:
            count("layer_messages_unknown")

    def _on_events(self, live: WatchedStream, message: dict[str, Any]) -> None:
        try:
            announcement = _read(message, live.channel)
        except (KeyError, TypeError, ValueError):
            count("layer_messages_unknown")
        else:
            live.receive(*announcement)

    def _on_end(self, live: WatchedStream, message: dict[str, Any]) -> None:
        self.end(live)

    _handlers: ClassVar[dict[str, Callable[["Hub", WatchedStream, dict[str, Any]], None]]] = {
        **dict.fromkeys(announcer.EVENT_TYPES, _on_events),
        announcer.ENDED: _on_end,
    }


def _read(message: dict[str, Any], channel: str | None) -> tuple[str, int, list[Event]]:
    """Epoch, last number and events of an announcement. A newer version may have added fields, to an event's row at its
    end; what lacks one, or holds something else than this version expects, raises."""
    epoch, last, events = message["epoch"], message["last"], []
    for seq, method, data, *_ in message.get("events") or ():
        if not (isinstance(seq, int) and isinstance(method, str) and isinstance(data, str)):
            raise TypeError
        events.append(Event(seq, method, data, channel))
    if not (isinstance(epoch, str) and isinstance(last, int)):
        raise TypeError
    return epoch, last, events
