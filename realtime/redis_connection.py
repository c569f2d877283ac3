"""The Redis connection of the channel layer (`connection_class` of its hosts in config/settings.py).

channels_redis 4.3 waits for a message for at most 0.1 s at a time (`RedisSingleShardConnection._do_receiving`). Each
timeout costs as much as a message. With this class it waits longer. A message still ends a wait at once.
An address with rediss:// or unix:// makes redis-py choose a class of its own, and so the short waits.
"""

from typing import Any, Final

from redis.asyncio.connection import Connection

MIN_WAIT: Final = 1.0  # seconds; between two waits redis-py checks the health of the connection


class LongWaitConnection(Connection):
    """A connection that waits for at least MIN_WAIT for a message that need not come."""

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
