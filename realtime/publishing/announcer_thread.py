"""The one thread of a process that sends announcements to other processes, by the channel layer."""

import asyncio
import logging
import threading
import time
from collections import deque
from typing import Any, NamedTuple

from realtime.conf import limits
from realtime.metrics import count
from realtime.publishing.group_send import Message, group_send

logger = logging.getLogger(__name__)

BURST_INTERVAL = 0.005  # seconds between two announcements of a burst: Python's switch interval between threads
BURST_WAIT = 0.001  # seconds that a caller waits in a burst, so that the announcer thread gets the GIL


class _Announcement(NamedTuple):
    layer: Any
    group: str
    message: Message
    size: int  # bytes of the data in the message


class AnnouncerThread:
    """A thread with its event loop, its connection to each Redis server, and a bounded queue.

    Several Redis servers may share the groups. Each has a queue of its own and gets one message at a time, over one
    connection. So a server that hangs delays its own groups only.

    The loop runs only while there is something to send. Waking a loop that waits for its sockets takes a system call:
    the caller releases the GIL for it, and gets it back only after this thread has done its work. Waking a thread that
    waits for a lock takes no system call.
    """

    def __init__(self) -> None:
        lock = threading.Lock()  # of all attributes down to `_last_enqueue`
        self._has_work = threading.Condition(lock)
        self._idle = threading.Condition(lock)
        self._inbox: list[_Announcement] = []  # in no server's queue yet
        self._is_loop_running = False
        self._is_ending = False
        self._pending = 0  # announcements that are queued or being sent
        self._pending_bytes = 0  # of their data
        self._last_enqueue = 0.0  # `time.monotonic()`
        self._queues: dict[Any, deque[_Announcement]] = {}  # by Redis server
        self._senders: dict[Any, asyncio.Task[None]] = {}  # one for each queue that is not empty
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="realtime-announcer", daemon=True)
        self._thread.start()

    def enqueue(self, layer: Any, group: str, message: Message, size: int) -> None:
        """Queues a message. A full queue drops and counts it; a queue with too many bytes takes it without its events.

        A caller that announces in a burst would hold the GIL as long as it computes. It waits here until its message is
        sent, for at most BURST_WAIT, unless other messages are queued before it."""
        with self._has_work:
            if self._is_ending or self._pending >= limits.ANNOUNCER_QUEUE:
                count("announcements_dropped")
                return
            if "events" not in message:
                size = 0
            elif self._pending_bytes + size > limits.ANNOUNCER_BYTES:
                count("announcements_thinned")
                message, size = {name: value for name, value in message.items() if name != "events"}, 0
            self._pending += 1
            self._pending_bytes += size
            self._inbox.append(_Announcement(layer, group, message, size))
            self._wake()
            now = time.monotonic()
            is_burst, self._last_enqueue = now - self._last_enqueue < BURST_INTERVAL, now
            if is_burst and self._pending == 1:
                self._idle.wait(BURST_WAIT)

    @property
    def load(self) -> tuple[int, int]:
        """How many announcements are queued or being sent, and the bytes of their data."""
        return self._pending, self._pending_bytes

    def flush(self, timeout: float) -> bool:
        """Waits until everything is sent, for at most `timeout` seconds, and ends the thread. Returns whether
        everything was sent."""
        end = time.monotonic() + timeout
        with self._idle:
            is_empty = self._idle.wait_for(lambda: not self._pending, timeout)
            self._is_ending = True
            self._wake()
        self._thread.join(max(end - time.monotonic(), 0.1))
        return is_empty

    def _wake(self) -> None:
        if self._is_loop_running:
            self._loop.call_soon_threadsafe(self._distribute)
        else:
            self._has_work.notify()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        while self._wait_for_work():
            self._loop.call_soon(self._distribute)
            self._loop.run_forever()
        senders = list(self._senders.values())
        for task in senders:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*senders, return_exceptions=True))
        self._loop.close()

    def _wait_for_work(self) -> bool:
        """Returns False when the thread shall end."""
        with self._has_work:
            self._is_loop_running = False
            self._has_work.wait_for(lambda: self._inbox or self._is_ending)
            self._is_loop_running = True
            return not self._is_ending

    def _distribute(self) -> None:
        """Moves the announcements of the inbox into the queues of their servers. Stops the loop if nothing is left."""
        with self._has_work:
            inbox, self._inbox = self._inbox, []
        for announcement in inbox:
            self._append(announcement)
        if self._is_ending or not self._senders:
            self._loop.stop()

    def _append(self, announcement: _Announcement) -> None:
        server = _redis_server(announcement.layer, announcement.group)
        queue = self._queues.setdefault(server, deque())
        # Each server has its share of the queue, so that one that hangs does not fill all of it.
        if len(queue) >= limits.ANNOUNCER_QUEUE / len(self._queues):
            count("announcements_dropped")
            self._on_done(announcement)
            return
        queue.append(announcement)
        if server not in self._senders:
            self._senders[server] = self._loop.create_task(self._send_all(server))

    async def _send_all(self, server: Any) -> None:
        queue = self._queues[server]
        while queue:
            announcement = queue.popleft()
            try:
                await group_send(announcement.layer, announcement.group, announcement.message)
            finally:
                self._on_done(announcement)
        del self._senders[server]
        self._distribute()

    def _on_done(self, announcement: _Announcement) -> None:
        """The announcement was sent, failed, or was dropped."""
        with self._idle:
            self._pending -= 1
            self._pending_bytes -= announcement.size
            if not self._pending:
                self._idle.notify_all()


_has_warned = False


def _redis_server(layer: Any, group: str) -> Any:
    """An object that identifies the Redis server of the group, where several share the groups; None otherwise."""
    try:
        loop_layer = layer._get_layer()  # channels_redis has only private parts for this
        return loop_layer._get_shard(loop_layer._get_group_channel_name(group))
    except AttributeError as error:
        global _has_warned
        if not _has_warned and any(base.__module__ == "channels_redis.pubsub" for base in type(layer).__mro__):
            _has_warned = True
            logger.warning(
                "channels_redis does not tell the Redis server of a group (%s): one that hangs delays all groups", error
            )
        return None
