"""Channel layers that fail as real ones do.

settings.CHANNEL_LAYERS = layer_named("DropsEverything")
"""

import asyncio
import random
from typing import Any

from channels.layers import InMemoryChannelLayer


def layer_named(name: str, **config: Any) -> dict[str, Any]:
    """The setting that makes a class of this file the channel layer."""
    return {"default": {"BACKEND": f"{__name__}.{name}", "CONFIG": config}}


def redis_layer(url: str, name: str = "pubsub.RedisPubSubChannelLayer", timeout: float = 2) -> dict[str, Any]:
    """The setting for a layer of channels-redis on this Redis."""
    host = {"address": url, "socket_timeout": timeout, "socket_connect_timeout": timeout}
    return {"default": {"BACKEND": f"channels_redis.{name}", "CONFIG": {"hosts": [host]}}}


class DropsEverything(InMemoryChannelLayer):
    """Every send succeeds, and nothing ever arrives."""

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        pass


class FailsAlways(InMemoryChannelLayer):
    """Its server is down."""

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        raise ConnectionError

    async def group_add(self, group: str, channel: str) -> None:
        raise ConnectionError

    async def group_discard(self, group: str, channel: str) -> None:
        raise ConnectionError

    async def receive(self, channel: str) -> dict[str, Any]:
        raise ConnectionError


class Careless(InMemoryChannelLayer):
    """Loses, doubles and holds back messages, and delivers them in any order."""

    def __init__(self, seed: int = 0, **config: Any) -> None:
        super().__init__(**config)
        self._random = random.Random(seed)
        self._held: list[tuple[str, dict[str, Any]]] = []

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        self._held += [(group, message)] * self._random.choice((0, 1, 1, 2))
        self._random.shuffle(self._held)
        while len(self._held) > self._random.randrange(6):
            await super().group_send(*self._held.pop())


class HeldBack(InMemoryChannelLayer):
    """Keeps every message until the test delivers it: `held` is what has been sent, in order."""

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self.held: list[tuple[str, dict[str, Any]]] = []

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        self.held.append((group, message))

    async def deliver(self, *positions: int) -> None:
        """The messages at these positions of `held`, in this order; all of them if none is given."""
        for group, message in [self.held[each] for each in positions] if positions else list(self.held):
            await super().group_send(group, message)


class HangsAlways(InMemoryChannelLayer):
    """Its server is frozen."""

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    async def group_add(self, group: str, channel: str) -> None:
        await asyncio.Event().wait()

    async def group_discard(self, group: str, channel: str) -> None:
        await asyncio.Event().wait()


class JoinsLate(InMemoryChannelLayer):
    """The first joins fail."""

    def __init__(self, failures: int, **config: Any) -> None:
        super().__init__(**config)
        self._failures = failures

    async def group_add(self, group: str, channel: str) -> None:
        if self._failures:
            self._failures -= 1
            raise ConnectionError
        await super().group_add(group, channel)
