"""The connections to Redis under the channel layer (`connection_class` of its hosts, config/settings.py)."""

from typing import Any, Final

from redis.asyncio.connection import Connection

PATIENCE: Final = 1.0  # seconds; redis-py looks after the connection's health between two waits


class PatientConnection(Connection):
    """channels_redis 4.3 waits for news for a tenth of a second at a time (`RedisSingleShardConnection._do_receiving`),
    and to give up each time costs as much as a message does. News ends a longer wait as soon. An address with rediss://
    or unix:// makes redis-py choose a class of its own."""

    async def read_response(
        self,
        disable_decoding: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - redis-py's
        **kwargs: Any,
    ) -> Any:
        """As redis-py has it: `timeout` is given where nothing need have come, in seconds."""
        if timeout is not None:
            timeout = max(timeout, PATIENCE)
        return await super().read_response(disable_decoding, timeout, **kwargs)
