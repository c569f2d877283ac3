"""The hub of one process: which streams its sockets watch, and the delivery of announcements to them.

A group message is a hint. Events that arrive in order are delivered to the stream's subscriptions. A gap is read from
the log, once for all of them. The sweep compares with the log and finds what no hint said.
"""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

from realtime import streams
from realtime.conf import limits
from realtime.hub.group_membership import GroupMembership
from realtime.hub.page_cache import PageCache
from realtime.hub.start import Start
from realtime.hub.watched_stream import WatchedStream
from realtime.log.types import StreamPosition
from realtime.metrics import count
from realtime.publishing import announcer
from realtime.subscription.subscription import SocketSubscription
from realtime.wire.event import Event
from realtime.wire.methods import WSMethod
from realtime.wire.requests import Subscribe


class Hub:
    """What the sockets of one event loop watch. The registry makes it, starts it and stops it."""

    def __init__(self) -> None:
        self.sockets = 0
        self.streams: dict[str, WatchedStream] = {}
        self.pages = PageCache()
        # Each restart reads the database. The other threads stay free for requests.
        self._restarts = asyncio.Semaphore(max(1, limits.DB_THREADS // 2))
        self.groups = GroupMembership(self._on_message)
        # Takes the messages of ACCESS_GROUP, and returns whether it understands one. `revocation` sets it.
        self.on_access_message: Callable[[dict[str, Any]], bool] | None = None
        self.sweeping: asyncio.Task[None] | None = None  # the registry starts it

    def start(self) -> None:
        """Begins to listen to the channel layer."""
        self.groups.start()

    async def stop(self) -> dict[str, str]:
        """Closes all streams and leaves all groups. Returns what `GroupMembership.stop` does."""
        for watched in list(self.streams.values()):
            watched.close()
        self.streams.clear()
        return await self.groups.stop()

    # What the sockets ask

    async def subscribe(self, subscription: SocketSubscription) -> StreamPosition:
        """Registers the subscription, joins the stream's group, and only then reads where the stream stands. The caller
        starts the subscription from there. Raises what the database raises."""
        watched = self.streams.get(subscription.key)
        if watched is None:
            watched = self.streams[subscription.key] = WatchedStream(
                subscription.key, self.pages, restarts=self._restarts, on_end=self.end
            )
        subscription.log_reader = watched
        watched.subscriptions.add(subscription)
        try:
            await self.groups.join(streams.group(watched.key))
            stream = await watched.read_head()
        except BaseException:
            await self.unsubscribe(subscription)
            raise
        watched.on_head(stream)
        return stream

    async def prepare_start(
        self, subscription: SocketSubscription, options: Subscribe, stream: StreamPosition
    ) -> Start | None:
        """Prepares the start that a subscribe with these options gets; `stream` is the result of `subscribe`. Returns
        None if the stream has ended. Raises what the database raises."""
        watched = self.streams.get(subscription.key)
        return await watched.prepare_start(subscription, options, stream) if watched else None

    async def unsubscribe(self, subscription: SocketSubscription) -> None:
        """Stops the subscription. The last one of a stream leaves its group."""
        subscription.stop()
        watched = self.streams.get(subscription.key)
        if watched is None:
            return
        watched.subscriptions.discard(subscription)
        if not watched.subscriptions:
            del self.streams[watched.key]
            watched.close()
            await self.groups.leave(streams.group(watched.key))

    def pause(self, subscription: SocketSubscription) -> None:
        """Sends nothing to the subscription until its `resume`. Nothing is lost meanwhile."""
        if watched := self.streams.get(subscription.key):
            watched.subscriptions.pause(subscription)

    def end(self, watched: WatchedStream) -> None:
        """The stream is gone: every subscription is stopped and notified. A user's notifications never end: their
        subscriptions continue with the notifications to come."""
        if self.streams.get(watched.key) is not watched:
            return
        if streams.is_notifications(watched.key):
            watched.restart()
            return
        del self.streams[watched.key]
        watched.close()
        for subscription in watched.subscriptions.each():
            subscription.end()
        self.groups.leave_soon(streams.group(watched.key))

    # What arrives on the groups: each message type has its handler. A message of another version that this one does not
    # understand is counted, and the sweep finds its events.

    def _on_message(self, message: Any) -> None:
        try:
            if message["type"] in announcer.ACCESS_TYPES:
                if not (self.on_access_message and self.on_access_message(message)):
                    count("layer_messages_unknown")
                return
            handler, watched = self._handlers.get(message["type"]), self.streams.get(message["key"])
        except (KeyError, TypeError):
            handler = watched = None
        if handler and watched:
            handler(self, watched, message)
        else:
            count("layer_messages_unknown")

    def _on_events(self, watched: WatchedStream, message: dict[str, Any]) -> None:
        try:
            announcement = _read(message, watched.channel)
        except (KeyError, TypeError, ValueError):
            count("layer_messages_unknown")
        else:
            watched.receive(*announcement)

    def _on_end(self, watched: WatchedStream, message: dict[str, Any]) -> None:
        self.end(watched)

    _handlers: ClassVar[dict[str, Callable[["Hub", WatchedStream, dict[str, Any]], None]]] = {
        **dict.fromkeys(announcer.EVENT_TYPES, _on_events),
        announcer.ENDED: _on_end,
    }


def _read(message: dict[str, Any], channel: str | None) -> tuple[str, int, list[Event]]:
    """Epoch, last number and events of an announcement. A newer version may add fields to the message, and to an
    event's row at its end. If a notification has no id, since an older version has announced it, there are no events:
    they are read from the log. Raises KeyError, TypeError or ValueError if a field is missing or of another type."""
    epoch, last, events = message["epoch"], message["last"], []
    at = message.get("at")
    committed_at = at if isinstance(at, float) else None
    are_complete = True
    for seq, method, data, *more in message.get("events") or ():
        if not (isinstance(seq, int) and isinstance(method, str) and isinstance(data, str)):
            raise TypeError
        id = None
        if method == WSMethod.NOTIFICATION:
            id = more[0] if more else None
            are_complete = are_complete and isinstance(id, str)
        events.append(Event(seq, method, data, channel, id=id, at=committed_at))
    if not (isinstance(epoch, str) and isinstance(last, int)):
        raise TypeError
    return epoch, last, events if are_complete else []
