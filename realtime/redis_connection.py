"""The Redis connection of the channel layer (`connection_class` of its hosts in config/settings.py).

It corrects two things:

- channels_redis 4.3 waits for a message for at most 0.1 s at a time (`RedisSingleShardConnection._do_receiving`). Each
  timeout costs as much as a message. This connection waits longer. A message still ends a wait at once.
- When redis-py 8.1 connects again, it subscribes to all channels whose unsubscribe Redis has not confirmed
  (`PubSub.on_connect`). If Redis dies before it reads an unsubscribe, the channel would stay subscribed until the end
  of the process. This connection takes these channels out first.

An address with rediss:// or unix:// makes redis-py choose a class of its own, without these corrections.
"""

# mypy: disable-error-code="no-untyped-call"

from typing import Any, Final
from weakref import ref

from redis.asyncio.client import PubSub
from redis.asyncio.connection import Connection

MIN_WAIT: Final = 1.0  # seconds; between two waits redis-py checks the health of the connection


class LongWaitConnection(Connection):
    """A connection that waits for at least MIN_WAIT for a message that need not come."""

    _subscriptions: ref[PubSub] | None = None  # those that redis-py makes again after a connect

    def register_connect_callback(self, callback: Any) -> None:
        """redis-py's method. `callback` is the `on_connect` of a PubSub."""
        if isinstance(subscriptions := getattr(callback, "__self__", None), PubSub):
            self._subscriptions = ref(subscriptions)
            super().register_connect_callback(self._forget_unsubscribed)  # before the PubSub's own
        super().register_connect_callback(callback)

    def _forget_unsubscribed(self, connection: Connection) -> None:
        if subscriptions := self._subscriptions and self._subscriptions():
            for channel in subscriptions.pending_unsubscribe_channels:
                subscriptions.channels.pop(channel, None)

    async def read_response(
        self,
        disable_decoding: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - redis-py's
        **kwargs: Any,
    ) -> Any:
        """redis-py's method. It gets a `timeout`, in seconds, only for a message that need not come."""
        if timeout is not None:
            timeout = max(timeout, MIN_WAIT)
        return await super().read_response(disable_decoding, timeout, **kwargs)
