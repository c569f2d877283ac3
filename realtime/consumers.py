"""The socket: which message joins, leaves and sends what.

    connect                      joins notifications.<user>
    subscribe_graph_execution    joins graph_exec.<user>.<execution>
    subscribe_graph_executions   joins graph_execs.<user>.<graph>
    unsubscribe                  leaves
    a group message              becomes a WSMessage for each subscription (hub/, connection/writer.py)

The process joins the groups, once for all its sockets. A channel per socket would cost a Redis subscription each, and
connecting would fail while Redis is down.
"""

import asyncio
import logging
from time import monotonic
from typing import Any

from realtime import asgi_extension, streams
from realtime.auth.handshake import (
    CredentialsRefused,
    ForeignHost,
    HandshakeRefused,
    asks_for_reason,
    authenticate,
    select_subprotocol,
)
from realtime.auth.stream_access import stream_key
from realtime.conf import limits
from realtime.connection.request_queue import RequestQueue
from realtime.connection.writer_consumer import WriterConsumer
from realtime.hub import registry
from realtime.metrics import count, sent
from realtime.subscription.subscription import SocketSubscription
from realtime.throttling import Cap, TokenBucket
from realtime.wire.close_codes import CloseCode
from realtime.wire.frames import (
    LAST_FRAMES,
    TOO_MANY_CONNECTIONS,
    TOO_MANY_MESSAGES,
    answer_frame,
    error_frame,
    pong_frame,
)
from realtime.wire.methods import WSMethod
from realtime.wire.requests import (
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

MAX_LOGGED = 500  # characters of a frame in the log
CLEAN_UP_TIMEOUT = 5.0  # seconds; first for the tasks, then for the groups

_users = Cap()  # the sockets of this process, by user id


class LiveConsumer(WriterConsumer):
    """One socket of one user."""

    def set_up(self) -> None:
        self.user: Any = None
        self.hub: Any = None  # a Hub, once the user is known
        self.subscriptions: dict[str, SocketSubscription] = {}  # by key
        self._requests: RequestQueue[Request | BadRequest] = RequestQueue(
            self._answer, limit=limits.MAX_PENDING_REQUESTS
        )
        self._channel: str | None = None  # for an error: the stream of the request in work, if its client knows numbers
        self._is_flooded = False
        self._bucket: TokenBucket | None = None
        if asgi_extension.register_last_frames(self.scope, LAST_FRAMES):
            pass  # the server counts messages
        elif limits.MESSAGE_BURST:
            self._bucket = TokenBucket(limits.MESSAGE_RATE, limits.MESSAGE_BURST, monotonic())
        self._error_bucket: TokenBucket | None = None  # of the errors that the client reports
        self._counted_as: str | None = None  # the user's id in `_users`

    async def connect(self) -> None:
        """Joins the user's notifications, then accepts."""
        try:
            async with asyncio.timeout(limits.AUTH_TIMEOUT):
                self.user = await authenticate(self.scope)
        except HandshakeRefused as refused:
            count("refused_host" if isinstance(refused, ForeignHost) else "refused_origin")
            await self.close()
            return
        except CredentialsRefused as refused:
            count(f"refused_{int(refused.code)}")
            await self._refuse(refused.text, refused.code)
            return
        if not _users.try_acquire(str(self.user.pk), limits.MAX_USER_CONNECTIONS):
            count("refused_user")
            await self._refuse(TOO_MANY_CONNECTIONS, CloseCode.TOO_MANY)
            return
        self._counted_as = str(self.user.pk)
        self.hub = registry.acquire()
        request = Request(WSMethod.SUBSCRIBE_NOTIFICATIONS, None, Notifications())
        notifications = self._new_subscription(streams.notifications(str(self.user.pk)), request)
        self.subscriptions[notifications.key] = notifications
        stream = await self.hub.subscribe(notifications)
        await self.accept(select_subprotocol(self.scope))
        notifications.start(stream.head, stream.head)
        self.writing = self.writer.start()

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
        if self._counted_as is not None:
            _users.release(self._counted_as)
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
        if self.writing is None or self._is_flooded:
            return  # the socket was refused, or is being closed
        if self._bucket and not self._bucket.take(monotonic()):
            self._is_flooded = True
            count("floods")
            await self._stop_tasks()
            await self._close_because(TOO_MANY_MESSAGES, CloseCode.TOO_MANY)
            return
        message: Request | BadRequest
        try:
            message = parse_request(text_data) if text_data is not None else BadRequest(INVALID_FORMAT)
        except BadRequest as bad_request:
            message = bad_request
        if isinstance(message, Request) and message.method == WSMethod.HEARTBEAT:
            await self.writer.wait_for_room()
            self.writer.pong(pong_frame(message.id))
        elif isinstance(message, Request) and message.method == WSMethod.ERROR:
            self._log_client_error(text_data or "")
        else:
            await self._requests.add(message)

    def _log_client_error(self, text: str) -> None:
        if self._error_bucket is None:
            self._error_bucket = TokenBucket(limits.CLIENT_ERROR_RATE, limits.CLIENT_ERROR_BURST, monotonic())
        if self._error_bucket.take(monotonic()):
            count("client_errors")
            # `repr`: a client must not write lines of its own into the log.
            logger.info("A client reports an error: %r", text[:MAX_LOGGED])
        else:
            count("client_errors_dropped")

    async def _answer(self, message: Request | BadRequest) -> None:
        await self.writer.wait_for_room()
        self._channel = None
        try:
            if isinstance(message, BadRequest):
                raise message
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
        key = await stream_key(self.user, request)
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
            answer = start.answer(request.id)
            if former:
                former.stop()
            self.subscriptions[key] = subscription
            self.writer.answer(answer)
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
            user_id=str(self.user.pk),
            may_watch=self._may_watch,
        )

    async def _may_watch(self, subscription: SocketSubscription) -> bool:
        try:
            return (
                await stream_key(self.user, request_for(subscription.method, subscription.target)) == subscription.key
            )
        except BadRequest:
            return False

    def _on_stream_end(self, subscription: SocketSubscription) -> None:
        if self.subscriptions.get(subscription.key) is subscription:
            del self.subscriptions[subscription.key]
            self.writer.answer(error_frame(NOT_FOUND[subscription.method], channel=subscription.channel_of_errors))
