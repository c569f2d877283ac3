"""A WebSocket consumer that sends by a writer, and the handling of its failures.

- An exception in a handler is logged and answered; the socket stays open.
- A failure of the writer ends the consumer, and the socket is closed with 1011.
- `clean_up` runs to its end, however the consumer ends.
"""

import asyncio
import logging
from typing import Any

from channels.consumer import get_handler_name
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer

from realtime import asgi_extension
from realtime.aio.tasks import run_to_end
from realtime.connection.lost import close_failed
from realtime.connection.writer import Writer
from realtime.metrics import count
from realtime.wire.frames import error_frame
from realtime.wire.requests import INTERNAL_ERROR

logger = logging.getLogger(__name__)


class WriterConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """A subclass implements `set_up`, `clean_up` and the handlers of AsyncWebsocketConsumer. Its `connect` sets
    `writing`."""

    channel_layer_alias = None  # the hub has the process's one channel

    writer: Writer
    writing: asyncio.Task[None] | None  # the writer's task, once the socket is accepted

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.scope, self.base_send, self.channel_layer = scope, send, None
        self._task: Any = asyncio.current_task()
        self._failure: Exception | None = None
        self.writer = Writer(send, asgi_extension.get_direct_sender(scope, send), on_failure=self._fail)
        self.writing = None
        self.set_up()
        try:
            # The base class would make a task for each message, to listen to the layer at the same time.
            while True:
                await self.dispatch(await receive())
        except StopConsumer:
            pass
        except asyncio.CancelledError:
            if self._failure is None or self._task.uncancel():  # `_fail` is not the only one that has cancelled it
                raise
        finally:
            self.writer.stop()
            self._task = None  # its exception may refer to this consumer
            # disconnect() would not do: it does not run after an exception, nor when the server stops.
            await run_to_end(self._clean_up)
        if self._failure:
            await close_failed(send, self._failure)

    def set_up(self) -> None:
        """Called before the first message. `scope` and `writer` are set."""

    async def clean_up(self) -> None:
        """Called once, after the last message."""

    async def _clean_up(self) -> None:
        try:
            await self.clean_up()
        except Exception:
            count("errors")
            logger.exception("The clean-up of a socket failed; its groups or its tasks may remain")

    def _fail(self, error: Exception) -> None:
        """Ends the consumer, at any point where it waits."""
        self._failure = error
        self._task.cancel()

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Calls the handler of the message. The base class would also check the database connections, in the one
        thread-sensitive thread."""
        try:
            await getattr(self, get_handler_name(message))(message)
        except StopConsumer:
            raise
        except Exception as error:
            count("errors")
            logger.exception("A %s failed", message["type"])
            if self.writing is None or self.writing.done():  # the writer would not send an answer
                self._failure = error
                raise StopConsumer from error
            self.writer.answer(error_frame(INTERNAL_ERROR))
