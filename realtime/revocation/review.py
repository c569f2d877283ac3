"""Looks again at what the open sockets of a process may do. Each event loop with a socket has one Review.

    every RECHECK_INTERVAL    each socket, in batches
    after a notice            the sockets of its users. They are paused at once, checked after RECHECK_DELAY, and then
                              resumed or closed. So nothing that is committed after a notice slips out.
    when a proof ends         as after a notice; tokens and sessions say when they end

A socket whose user may not connect any more is closed. A subscription to a stream that its user may not watch any more
ends. What cannot be checked after a notice within RECHECK_TIMEOUT is closed with 1011.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from realtime import streams
from realtime.aio.tasks import detached
from realtime.auth.identity import AnyProof, CredentialsRefused, Identity, check, check_all, moved_proof
from realtime.auth.stream_access import Watch, may_still_watch
from realtime.conf import limits
from realtime.hub import registry
from realtime.hub.hub import Hub
from realtime.metrics import count
from realtime.revocation import messages
from realtime.revocation.expiry import Expiry
from realtime.revocation.recent_notices import RecentNotices
from realtime.subscription.subscription import SocketSubscription
from realtime.wire.requests import Subscribe, request_for

logger = logging.getLogger(__name__)
BATCH_SIZE = 200  # sockets of one check
_RETRY_DELAY = 0.5  # seconds after a check that has failed


class Socket(Protocol):
    """A socket, as its review sees it."""

    user: Any
    user_id: str
    proof: AnyProof | None  # None: nothing to check but the streams
    subscriptions: dict[str, SocketSubscription]
    notices: int  # how many have concerned this socket: a subscribe that began before one asks again

    async def end(self, refusal: CredentialsRefused | None) -> None:
        """Closes the socket; None: since it cannot be checked."""

    def end_access(self, subscription: SocketSubscription) -> None:
        """The user may not watch this stream any more."""


class Review:
    """`of(hub)` makes it. It works from its first socket to its last."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._checked_at: dict[Socket, float] = {}  # monotonic; in the order of the last check
        self._by_user: dict[str, set[Socket]] = {}
        self._doubts: dict[str, asyncio.Task[None]] = {}  # by user: waits for a check, or checks
        self._noted: dict[str, set[str | None]] = {}  # by user: the streams of notices not looked at yet; None is all
        self._recent = RecentNotices()
        self._is_listening = False  # whether notices arrive
        self._expiry = Expiry(self.note)
        self._tasks: list[asyncio.Task[None]] = []
        self._is_running = False
        self._unanswered: set[Watch] = set()  # paused, since the access function of another app has failed

    # The sockets

    @property
    def moment(self) -> int | None:
        """For `add`: how many notices have come. None: they do not arrive yet."""
        return self._recent.count if self._is_listening else None

    def add(self, socket: Socket, since: int | None, expires_at: float | None) -> None:
        """Watches over the socket. `since` was the moment when its credentials began to be read."""
        if not self._is_running:
            self._start()
        self._checked_at[socket] = time.monotonic()
        self._by_user.setdefault(socket.user_id, set()).add(socket)
        self._expiry.set(socket, socket.user_id, expires_at)
        if self._is_listening and (since is None or self._recent.concern(socket.user_id, since)):
            self.note(socket.user_id)

    def remove(self, socket: Socket) -> None:
        """The socket is gone. The last one stops the review."""
        self._checked_at.pop(socket, None)
        self._expiry.set(socket, socket.user_id, None)
        of_user = self._by_user.get(socket.user_id, set())
        of_user.discard(socket)
        if not of_user:
            self._by_user.pop(socket.user_id, None)
            if doubt := self._doubts.pop(socket.user_id, None):
                doubt.cancel()
            self._unanswered -= {watch for watch in self._unanswered if watch.user_id == socket.user_id}
        if self._is_running and not self._by_user:
            self._stop()

    def _start(self) -> None:
        self._is_running = True
        self._hub.on_access_message = self._on_message
        self._tasks = [detached(self._listen()), detached(self._recheck_forever())]

    def _stop(self) -> None:
        self._hub.on_access_message = None
        self._is_running = self._is_listening = False
        self._hub.groups.leave_soon(streams.ACCESS_GROUP)
        while self._tasks:
            self._tasks.pop().cancel()
        _reviews.pop(self._hub, None)
        del self._expiry  # it refers to this object: the garbage collector runs seldom

    async def _listen(self) -> None:
        """Joins the group, and looks at those who have connected before."""
        self._is_listening = await self._hub.groups.join_for_sure(streams.ACCESS_GROUP)
        await self._try(lambda: self._look_at(list(self._checked_at)), "The first check")

    # Notices

    def _on_message(self, message: dict[str, Any]) -> bool:
        notice = messages.parse(message)
        if isinstance(notice, messages.SessionMoved):
            self._on_session_moved(*notice)
        elif notice:
            count("access_notices")
            for user_id in notice.users:
                self.note(user_id, notice.stream)
            if notice.streams:
                self._note_watchers(set(notice.streams))
        return notice is not None

    def _on_session_moved(self, user_id: str, old: str, sealed: str) -> None:
        """A browser got another session key, as after a new password. The next check finds out whether it is good."""
        for socket in self._by_user.get(user_id, ()):
            socket.proof = moved_proof(socket.proof, old, sealed)
        self.note(user_id)

    def _note_watchers(self, keys: set[str]) -> None:
        for socket in list(self._checked_at):
            socket.notices += 1  # it may be about to subscribe
            for key in keys & {*socket.subscriptions}:
                self.note(socket.user_id, key)

    def note(self, user_id: str, stream: str | None = None) -> None:
        """What this user may do has changed, on one stream or (None) everywhere."""
        self._recent.add(user_id)
        if user_id not in self._by_user:
            return
        self._noted.setdefault(user_id, set()).add(stream)
        for socket in self._by_user[user_id]:
            socket.notices += 1
            for subscription in socket.subscriptions.values():
                if stream in (None, subscription.key):
                    self._hub.pause(subscription)
        if user_id not in self._doubts:
            self._doubts[user_id] = detached(self._look_at_user(user_id))

    def is_in_doubt(self, user_id: str) -> bool:
        """Whether a notice about this user waits for its check. A new subscription begins paused then."""
        return user_id in self._doubts

    async def read_user(self, socket: Socket) -> None:
        """Sets the user as the database has it now. Waits for a check that a notice has asked for. Bad credentials are
        a notice: then it waits until the socket is closed."""
        while socket.proof:
            if doubt := self._doubts.get(socket.user_id):
                await asyncio.wait({doubt})
            identity = await check(socket.proof)
            if isinstance(identity, Identity):
                socket.user = identity.user
                return
            self.note(socket.user_id)

    async def _look_at_user(self, user_id: str) -> None:
        try:
            async with asyncio.timeout(limits.RECHECK_TIMEOUT):
                while True:
                    await asyncio.sleep(limits.RECHECK_DELAY)
                    noted = self._noted.pop(user_id, {None})
                    only = None if None in noted else noted
                    if not await self._try(lambda: self._look_at(self._sockets_of(user_id), only), "A check"):  # noqa: B023
                        self._noted.setdefault(user_id, set()).update(noted)
                    if user_id not in self._noted:
                        break
        except TimeoutError:
            count("recheck_timeouts")
            for socket in self._sockets_of(user_id):
                self._end(socket, None)
        finally:
            self._noted.pop(user_id, None)
            if self._doubts.get(user_id) is asyncio.current_task():
                del self._doubts[user_id]
        self._resume(self._sockets_of(user_id))

    def _sockets_of(self, user_id: str) -> list[Socket]:
        return list(self._by_user.get(user_id, ()))

    async def _recheck_forever(self) -> None:
        while True:
            await asyncio.sleep(min(1.0, limits.RECHECK_INTERVAL / 5))
            due_before = time.monotonic() - limits.RECHECK_INTERVAL
            due = [socket for socket, at in self._checked_at.items() if at <= due_before]
            for start in range(0, len(due), BATCH_SIZE):
                batch = [each for each in due[start : start + BATCH_SIZE] if each in self._checked_at]
                if await self._try(lambda: self._look_at(batch), "A check in turn"):  # noqa: B023
                    self._resume(each for each in batch if not self.is_in_doubt(each.user_id))
                else:  # no event goes out that nobody has checked; the next turn tries again
                    for socket in batch:
                        for subscription in socket.subscriptions.values():
                            self._hub.pause(subscription)

    async def _try(self, look: Callable[[], Awaitable[None]], what: str) -> bool:
        try:
            async with asyncio.timeout(limits.RECHECK_TIMEOUT):
                await look()
        except Exception as error:
            count("errors")
            logger.warning("%s of open sockets failed (%r); it is tried again", what, error)
            await asyncio.sleep(_RETRY_DELAY)
            return False
        return True

    async def _look_at(self, sockets: Sequence[Socket], only: Iterable[str | None] | None = None) -> None:
        """Checks the proofs of these sockets, and their subscriptions (`only` to these streams). Raises what the
        database raises."""
        for start in range(0, len(sockets), BATCH_SIZE):
            await self._look_at_batch(sockets[start : start + BATCH_SIZE], only)

    async def _look_at_batch(self, sockets: Sequence[Socket], only: Iterable[str | None] | None) -> None:
        began = time.monotonic()
        identities = await check_all(socket.proof for socket in sockets if socket.proof is not None)
        staying = []
        for socket in sockets:
            identity = identities.get(socket.proof) if socket.proof is not None else None
            if socket not in self._checked_at or (socket.proof is not None and identity is None):
                continue  # it has gone, or its session has moved: the notice about that is still to come
            if isinstance(identity, CredentialsRefused):
                self._end(socket, identity)
                continue
            if identity is not None:
                socket.user = identity.user
                self._expiry.set(socket, socket.user_id, identity.expires_at)
            staying.append(socket)
        watches: dict[Watch, tuple[Any, Subscribe]] = {}
        for socket in staying:
            for subscription in socket.subscriptions.values():
                if only is None or subscription.key in only:
                    asked = request_for(subscription.method, subscription.target).data
                    watches.setdefault(Watch(socket.user_id, subscription.key), (socket.user, asked))
        answers = await may_still_watch(watches)
        count("access_rechecks", len(sockets))
        for socket in staying:
            for subscription in list(socket.subscriptions.values()):
                answer = answers.get(watch := Watch(socket.user_id, subscription.key), True)
                if answer is False:
                    socket.end_access(subscription)
                elif answer is None:
                    self._unanswered.add(watch)
                    self._hub.pause(subscription)
                elif watch in watches:
                    self._unanswered.discard(watch)
            if only is None and socket in self._checked_at:
                del self._checked_at[socket]
                self._checked_at[socket] = began

    def _resume(self, sockets: Iterable[Socket]) -> None:
        for socket in sockets:
            for subscription in socket.subscriptions.values():
                if Watch(socket.user_id, subscription.key) not in self._unanswered:
                    subscription.resume()

    def _end(self, socket: Socket, refusal: CredentialsRefused | None) -> None:
        for subscription in socket.subscriptions.values():
            subscription.stop()
        self._checked_at.pop(socket, None)  # it is looked at no more
        detached(socket.end(refusal))


_reviews: WeakKeyDictionary[Hub, Review] = WeakKeyDictionary()


def of(hub: Hub) -> Review:
    """The review of this hub's sockets."""
    review = _reviews.get(hub)
    if review is None:
        review = _reviews[hub] = Review(hub)
    return review


def moment() -> int | None:
    """Before credentials are read: what `Review.add` wants to know."""
    hub = registry.hub_of_this_loop()
    review = _reviews.get(hub) if hub else None
    return review.moment if review else None
