"""A Redis layer that drops, doubles and reorders the messages of a writer."""

import random
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer


class LossyLayer(RedisPubSubChannelLayer):  # type: ignore[misc]
    """Drops the share `lost` of the messages without an error. Holds up to `held` messages back and sends them in
    random order, some of them twice."""

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


def lossy_layers(url: str, *, timeout: float) -> dict[str, Any]:
    """CHANNEL_LAYERS with this layer."""
    host = {"address": url, "socket_timeout": timeout, "socket_connect_timeout": timeout}
    return {"default": {"BACKEND": f"{__name__}.LossyLayer", "CONFIG": {"hosts": [host]}}}
