"""The socket: which message joins, leaves and sends what.

    connect                      joins notifications.<user>; a guest joins nothing
    subscribe_graph_execution    joins graph_exec.<user>.<execution>
    subscribe_graph_executions   joins graph_execs.<user>.<graph>
    unsubscribe                  leaves
    a group message              becomes a WSMessage for each subscription (hub/, connection/writer.py)

The process joins the groups, once for all its sockets. A channel per socket would cost a Redis subscription each, and
connecting would fail while Redis is down.
"""

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import Any

from realtime import asgi_extension, streams
from realtime.aio.tasks import detached
from realtime.auth.guests import Guest
from realtime.auth.handshake import ForeignHost, HandshakeRefused, asks_for_reason, authenticate, select_subprotocol
from realtime.auth.identity import CredentialsRefused, Identity, check
from realtime.auth.stream_access import stream_key
from realtime.conf import limits
from realtime.connection import socket_caps
from realtime.connection.client_errors import ClientErrors
from realtime.connection.request_queue import RequestQueue
from realtime.connection.writer_consumer import WriterConsumer
from realtime.hub import registry
from realtime.metrics import count, sent
from realtime.revocation import review as reviews
from realtime.subscription.subscription import SocketSubscription
from realtime.throttling import TokenBucket
from realtime.wire.close_codes import CloseCode
from realtime.wire.frames import LAST_FRAMES, TOO_MANY_MESSAGES, answer_frame, error_frame, pong_frame
from realtime.wire.methods import WSMethod
from realtime.wire.requests import (
    ACCESS_REVOKED,
    INTERNAL_ERROR,
    INVALID_FORMAT,
    NOT_FOUND,
    TOO_MANY_SUBSCRIPTIONS,
    BadRequest,
    Notifications,
    Request,
    Subscribe,
    parse_request,
    request_for,
)

logger = logging.getLogger(__name__)

CLEAN_UP_TIMEOUT = 5.0  # seconds; first for the tasks, then for the groups


class LiveConsumer(WriterConsumer):
    """One socket of one user."""

    def set_up(self) -> None:
        self.user: Any = None
        self.user_id = ""
        self.proof: Any = None  # if the user is in the database, or a guest
        self.notices = 0  # of changed access
        self.hub: Any = None  # a Hub, once the user is known
        self.review: Any = None  # the Review of the hub's sockets, likewise
        self.subscriptions: dict[str, SocketSubscription] = {}  # by key
        self._requests: RequestQueue[Request | BadRequest] = RequestQueue(
            self._answer, limit=limits.MAX_PENDING_REQUESTS
        )
        self._channel: str | None = None  # for an error: the stream of the request in work, if its client knows numbers
        self._is_closing = False
        self._bucket: TokenBucket | None = None
        if asgi_extension.register_last_frames(self.scope, LAST_FRAMES):
            pass  # the server counts messages
        elif limits.MESSAGE_BURST:
            self._bucket = TokenBucket(limits.MESSAGE_RATE, limits.MESSAGE_BURST, monotonic())
        self._client_errors = ClientErrors()
        self._is_counted = False  # by `socket_caps`

    async def connect(self) -> None:
        """Joins the user's notifications, then accepts."""
        since = reviews.moment()
        try:
            async with asyncio.timeout(limits.AUTH_TIMEOUT):
                self.user, self.proof, expires_at = await authenticate(self.scope)
        except HandshakeRefused as refused:
            count("refused_host" if isinstance(refused, ForeignHost) else "refused_origin")
            await self.close()
            return
        except CredentialsRefused as refused:
            count(f"refused_{int(refused.code)}")
            await self._refuse(refused.text, refused.code)
            return
        self.user_id = socket_caps.user_id_of(self.user)
        if refusal := socket_caps.acquire(self.user):
            await self._refuse(refusal, CloseCode.TOO_MANY)
            return
        self._is_counted = True
        self.hub = registry.acquire()
        begin = None if isinstance(self.user, Guest) else await self._join_notifications()
        await self.accept(select_subprotocol(self.scope))
        self.review = reviews.of(self.hub)
        self.review.add(self, since, expires_at)
        if begin:
            begin()
        self.writing = self.writer.start()

    async def _join_notifications(self) -> Callable[[], None]:
        """Returns what begins to send them."""
        request = Request(WSMethod.SUBSCRIBE_NOTIFICATIONS, None, Notifications())
        notifications = self._new_subscription(streams.notifications(self.user_id), request)
        self.subscriptions[notifications.key] = notifications
        stream = await self.hub.subscribe(notifications)
        return lambda: notifications.start(stream.head, stream.head)

    async def _refuse(self, text: str, code: CloseCode) -> None:
        """Refuses the handshake, or accepts it first for a client that asks for the reason."""
        if asks_for_reason(self.scope):
            await self.accept(select_subprotocol(self.scope))
            await self._close_because(text, code)
        else:
            await self.close(int(code), text)

    async def _close_because(self, text: str, code: CloseCode) -> None:
        sent.add(frame := error_frame(text))
        await self.send(frame)
        await self.close(int(code))  # autobahn takes no subclass of int

    async def _stop_tasks(self) -> None:
        tasks = [task for task in (self.writing, self._requests.task) if task]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CLEAN_UP_TIMEOUT)

    async def clean_up(self) -> None:
        if self._is_counted:
            socket_caps.release(self.user_id)
        if self.review:
            self.review.remove(self)
        await self._stop_tasks()
        del self._requests  # it refers to this consumer: the garbage collector runs seldom
        hub, self.hub = self.hub, None
        if hub is None:
            return
        try:
            async with asyncio.timeout(CLEAN_UP_TIMEOUT):
                await asyncio.gather(*map(hub.unsubscribe, list(self.subscriptions.values())))
        finally:
            self.subscriptions.clear()
            await registry.release(hub)

    # What the client sends

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Answers heartbeats at once, and queues all other requests."""
        if self.writing is None or self._is_closing:
            return  # the socket was refused, or is being closed
        if self._bucket and not self._bucket.take(monotonic()):
            self._is_closing = True
            count("floods")
            await self._stop_tasks()
            await self._close_because(TOO_MANY_MESSAGES, CloseCode.TOO_MANY)
            return
        message: Request | BadRequest
        try:
            message = parse_request(text_data) if text_data is not None else BadRequest(INVALID_FORMAT)
        except BadRequest as bad_request:
            # Not the exception itself. It refers to this function, which would refer to it: only the garbage collector
            # would free them, and the text.
            message = BadRequest(str(bad_request), bad_request.id)
        if isinstance(message, Request) and message.method == WSMethod.HEARTBEAT:
            await self.writer.wait_for_room()
            self.writer.pong(pong_frame(message.id))
        elif isinstance(message, Request) and message.method == WSMethod.ERROR:
            self._client_errors.log(text_data or "")
        else:
            await self._requests.add(message)

    async def _answer(self, message: Request | BadRequest) -> None:
        await self.writer.wait_for_room()
        self._channel = None
        if isinstance(message, BadRequest):
            self.writer.answer(error_frame(str(message), id=message.id))
            return
        try:
            handle = self._unsubscribe if message.method == WSMethod.UNSUBSCRIBE else self._subscribe
            await handle(message)
        except BadRequest as bad_request:
            self.writer.answer(error_frame(str(bad_request), channel=self._channel, id=bad_request.id))
        except Exception:
            count("errors")
            logger.exception("A request failed: %.1000r", message)
            self.writer.answer(error_frame(INTERNAL_ERROR, channel=self._channel, id=message.id))

    async def _subscribe(self, request: Request) -> None:
        """Until the answer, a former subscription to the stream goes on. It stays if the new one fails."""
        notices = self.notices
        key = await self._find_key(request)
        options: Subscribe = request.data
        self._channel = key if options.numbered else None
        former = self.subscriptions.get(key)
        if former and not options.numbered:
            self.writer.answer(answer_frame(request.method, channel=key, id=request.id))
            return
        if not former and len(self.subscriptions) > limits.MAX_SUBSCRIPTIONS:
            raise BadRequest(TOO_MANY_SUBSCRIPTIONS, request.id)
        subscription = self._new_subscription(key, request)
        try:
            stream = await self.hub.subscribe(subscription)
            start = await self.hub.prepare_start(subscription, options, stream)
            if start is None:
                raise BadRequest(NOT_FOUND[request.method], request.id)
            while notices != self.notices:  # access has changed while the log was read
                notices = self.notices
                if await self._find_key(request) != key:
                    raise BadRequest(NOT_FOUND[request.method], request.id)
            answer = start.answer(request.id)
            if former:
                former.stop()
            self.subscriptions[key] = subscription
            self.writer.answer(answer)
            if self.review.is_in_doubt(self.user_id):
                self.hub.pause(subscription)
            start.begin()
        except BaseException:
            await self.hub.unsubscribe(subscription)
            raise
        if former:
            await self.hub.unsubscribe(former)

    async def _unsubscribe(self, request: Request) -> None:
        subscription = next((each for each in self.subscriptions.values() if each.target == request.data), None)
        if subscription:
            self._channel = subscription.channel_of_errors
            del self.subscriptions[subscription.key]
            await self.hub.unsubscribe(subscription)
        channel = subscription.key if subscription else None
        self.writer.answer(answer_frame(request.method, channel=channel, id=request.id))

    # Subscriptions

    def _new_subscription(self, key: str, request: Request) -> SocketSubscription:
        """A subscription that sends nothing until it is started."""
        return SocketSubscription(
            key,
            request.method,
            request.data,
            writer=self.writer,
            on_end=self._on_stream_end,
            user_id=self.user_id,
            may_watch=self._may_watch,
        )

    async def _may_watch(self, subscription: SocketSubscription) -> bool:
        if self.proof and not isinstance(await check(self.proof), Identity):
            return False
        try:
            request = request_for(subscription.method, subscription.target)
            return await stream_key(self.user, request) == subscription.key
        except BadRequest:
            return False

    async def _find_key(self, request: Request) -> str:
        """The key of the stream, asked with the user as the database has it now."""
        await self.review.read_user(self)
        return await stream_key(self.user, request)

    # The end of access, which the review finds

    def end_access(self, subscription: SocketSubscription) -> None:
        if self.subscriptions.get(subscription.key) is subscription:
            count("revoked_subscriptions")
            del self.subscriptions[subscription.key]
            subscription.stop()
            detached(self.hub.unsubscribe(subscription))
            error = ACCESS_REVOKED[subscription.method]
            self.writer.answer(error_frame(error, channel=subscription.channel_of_errors))

    async def end(self, refusal: CredentialsRefused | None) -> None:
        self._is_closing = True
        if refusal is None:
            self._fail(RuntimeError("The access of this socket could not be checked in time"))
            return
        count(f"revoked_{int(refusal.code)}")
        await self._stop_tasks()
        try:
            async with asyncio.timeout(CLEAN_UP_TIMEOUT):  # the client may not read
                await self._close_because(refusal.text, refusal.code)
        except TimeoutError as error:
            self._fail(error)
        except Exception as error:
            logger.debug("A socket is gone before it could be closed: %r", error)

    def _on_stream_end(self, subscription: SocketSubscription) -> None:
        if self.subscriptions.get(subscription.key) is subscription:
            del self.subscriptions[subscription.key]
            self.writer.answer(error_frame(NOT_FOUND[subscription.method], channel=subscription.channel_of_errors))
