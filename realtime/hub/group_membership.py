"""The groups of the channel layer that one process has joined, and the messages that arrive on them.

All groups share one channel name. A failure of the layer never closes a socket: joins and leaves are repeated until
they succeed, and the sweep finds the events of lost messages.

A leave that has failed leaves the layer in doubt. The pub/sub layer forgets its member before it tells Redis, so it
would ignore a second leave, and a second join too, while Redis stays subscribed. A join and then a leave make it tell
Redis again.
"""

import asyncio
import logging
import os
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from channels.layers import get_channel_layer

from realtime.aio.tasks import detached
from realtime.conf import limits
from realtime.metrics import count

logger = logging.getLogger(__name__)

_FIRST_RETRY, _LAST_RETRY = 0.1, 5.0  # seconds between attempts
_CANCELLATIONS = 20  # of a task; a layer may swallow a cancellation, as the core Redis layer sometimes does


class GroupMembership:
    """Joins and leaves groups for one event loop. `on_message` is called with each message that arrives."""

    def __init__(self, on_message: Callable[[dict[str, Any]], None]) -> None:
        self._on_message = on_message
        self._layer = get_channel_layer()
        # The name never changes, since a `new_channel()` that fails leaves a queue behind. The core Redis layer
        # recognises its own channels by their prefix.
        self.channel = f"realtime.{getattr(self._layer, 'client_prefix', os.getpid())}!{secrets.token_hex(8)}"
        self._wanted: set[str] = set()
        self._joined: set[str] = set()
        self._touched: set[str] = set()  # the layer may count us in: a join was tried, no leave has succeeded
        self._doubtful: set[str] = set()  # a leave was tried, and has not succeeded
        self._former: dict[str, str] = {}  # group → the channel of a stopped membership that could not leave it
        self._layer_forgets = hasattr(self._layer, "group_expiry")  # it stores who is in a group, for a time
        self._reconciling: dict[str, asyncio.Task[None]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        if self._layer is not None:
            self._tasks = [detached(self._receive())]
            if self._layer_forgets:
                self._tasks.append(detached(self._rejoin()))

    async def stop(self) -> dict[str, str]:
        """Leaves every group, and then stops receiving. Returns the groups that it could not leave, each with its
        channel, for the next membership of the loop to `inherit`: the layer may count us in."""
        self._wanted.clear()
        for group in list(self._touched):
            self._reconcile_soon(group)
        if self._reconciling:
            await asyncio.wait(self._reconciling.values(), timeout=limits.ANNOUNCE_TIMEOUT)
        tasks = {*self._tasks, *self._reconciling.values()}
        for _ in range(_CANCELLATIONS):
            if tasks:
                for task in tasks:
                    task.cancel()
                _, tasks = await asyncio.wait(tasks, timeout=limits.ANNOUNCE_TIMEOUT / _CANCELLATIONS)
        # These refer to this object. Without the cycles it is freed now: a server runs the garbage collector seldom.
        self._tasks = [each for each in self._tasks if not each.done()]
        self._on_message = _ignore
        return dict.fromkeys(self._touched, self.channel) | self._former

    def inherit(self, former: Mapping[str, str]) -> None:
        """Leaves the groups that a stopped membership could not leave, and joins again those that are wanted here."""
        for group, channel in former.items():
            self._former[group] = channel
            self._joined.discard(group)
            self._touched.add(group)
            self._doubtful.add(group)
            self._reconcile_soon(group)

    async def join(self, group: str) -> None:
        """Returns when the group is joined, or after JOIN_TIMEOUT. The attempts go on."""
        self._wanted.add(group)
        await self._wait_until_reconciled(group)

    async def join_for_sure(self, group: str) -> bool:
        """Returns when the group is joined, however long it takes. Returns False if there is no layer."""
        self._wanted.add(group)
        if self._layer is not None and not self._is_reconciled(group):
            await asyncio.wait({self._reconcile_soon(group)})
        return self._layer is not None

    async def leave(self, group: str) -> None:
        """Like `join`."""
        self._wanted.discard(group)
        await self._wait_until_reconciled(group)

    def leave_soon(self, group: str) -> None:
        """`leave` without waiting."""
        self._wanted.discard(group)
        if self._layer is not None:
            self._reconcile_soon(group)

    async def _wait_until_reconciled(self, group: str) -> None:
        if self._layer is not None and not self._is_reconciled(group):
            await asyncio.wait({self._reconcile_soon(group)}, timeout=limits.JOIN_TIMEOUT)

    def _reconcile_soon(self, group: str) -> asyncio.Task[None]:
        task = self._reconciling.get(group)
        if task is None or task.done():  # done: it has made its last check, and is about to be removed
            task = self._reconciling[group] = detached(self._reconcile(group))
            task.add_done_callback(lambda done: self._forget(group, done))
        return task

    def _forget(self, group: str, done: asyncio.Task[None]) -> None:
        if self._reconciling.get(group) is done:
            del self._reconciling[group]

    def _is_reconciled(self, group: str) -> bool:
        return group in self._joined if group in self._wanted else group not in self._touched

    async def _reconcile(self, group: str) -> None:
        """Joins or leaves until the membership is as wanted. Each group has one such task, so a join and a leave never
        run at the same time."""
        delay = _FIRST_RETRY
        while not self._is_reconciled(group):
            try:
                if group in self._wanted and group not in self._doubtful:
                    self._touched.add(group)
                    await self._layer.group_add(group, self.channel)
                    self._joined.add(group)
                else:
                    await self._leave(group)
            except Exception as error:
                count("layer_errors")
                logger.debug("Joining or leaving %s failed (%r); trying again in %.1f s", group, error, delay)
                if self._layer_forgets and len(self._doubtful) > limits.MAX_DOUBTFUL_GROUPS:
                    self._forget_membership(group)
                    continue
                await asyncio.sleep(delay)
                delay = min(2 * delay, _LAST_RETRY)

    async def _leave(self, group: str) -> None:
        self._joined.discard(group)
        if former := self._former.get(group):
            await self._layer.group_discard(group, former)
            del self._former[group]
        if group in self._doubtful:
            await self._layer.group_add(group, self.channel)
        self._doubtful.add(group)
        await self._layer.group_discard(group, self.channel)
        self._forget_membership(group)

    def _forget_membership(self, group: str) -> None:
        self._doubtful.discard(group)
        self._touched.discard(group)
        self._former.pop(group, None)

    async def _rejoin(self) -> None:
        """Joins every group again: the layer may have lost our membership (FLUSHALL, an expired message, the clock of
        another process)."""
        while True:
            await asyncio.sleep(limits.REJOIN_INTERVAL)
            for group in list(self._joined):
                try:
                    if group in self._wanted:
                        await self._layer.group_add(group, self.channel)
                except Exception as error:
                    count("layer_errors")
                    logger.debug("Joining %s again failed (%r); next time", group, error)
                if group not in self._wanted:  # it was left meanwhile, perhaps before the join arrived
                    self._touched.add(group)
                    self._reconcile_soon(group)

    async def _receive(self) -> None:
        delay = _FIRST_RETRY
        while True:
            try:
                message = await self._layer.receive(self.channel)
                delay = _FIRST_RETRY
            except Exception as error:
                count("layer_errors")
                logger.warning("The channel layer fails (%r); updates come from the log, at each sweep", error)
                await asyncio.sleep(delay)
                delay = min(2 * delay, _LAST_RETRY)
                continue
            try:
                self._on_message(message)
            except Exception:
                count("errors")
                logger.exception("A layer message of type %r could not be handled", message.get("type"))


def _ignore(message: dict[str, Any]) -> None:
    """Handles the messages that a layer delivers after the stop."""
