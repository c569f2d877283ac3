"""Redis layers whose messages get lost, doubled and out of order on the way from a writer."""

import random
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer


class Mislays(RedisPubSubChannelLayer):  # type: ignore[misc]
    """`lost` is the share of messages that are dropped though their sending succeeds; up to `held` messages wait, and
    go out in any order, some of them twice."""

    lost = 0.0
    held = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._random = random.Random(4)
        self._waiting: list[tuple[str, dict[str, Any]]] = []

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        if self._random.random() < self.lost:
            return
        self._waiting += [(group, message)] * (2 if self.held and self._random.random() < 0.2 else 1)
        self._random.shuffle(self._waiting)
        while len(self._waiting) > self.held:
            await self._get_layer().group_send(*self._waiting.pop())


def mislaying(url: str, *, timeout: float) -> dict[str, Any]:
    """The setting that makes it the layer of a process."""
    host = {"address": url, "socket_timeout": timeout, "socket_connect_timeout": timeout}
    return {"default": {"BACKEND": f"{__name__}.Mislays", "CONFIG": {"hosts": [host]}}}
