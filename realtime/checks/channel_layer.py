"""Checks of the channel layer: W001, W004, W005."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, register
from django.core.checks import Warning as CheckWarning

TIMEOUTS = ("socket_timeout", "socket_connect_timeout")


@register("realtime", deploy=True)
def check_between_processes(app_configs: Any, **options: Any) -> Iterator[CheckMessage]:
    """W001: several processes need a layer between them. The embedded default is one process."""
    backend = _layer().get("BACKEND", "")
    if not settings.DEBUG and backend in ("", "channels.layers.InMemoryChannelLayer"):
        yield CheckWarning(
            "There is no channel layer between processes, and DEBUG is off: events of other processes arrive only with "
            "the sweep, seconds late.",
            hint="Set REDIS_URL.",
            id="realtime.W001",
        )


@register("realtime")
def check_layer(app_configs: Any, **options: Any) -> Iterator[CheckMessage]:
    """W004, W005: the channel layer."""
    layer = _layer()
    backend = layer.get("BACKEND", "")
    if backend == "channels_redis.core.RedisChannelLayer":
        yield CheckWarning(
            "The core Redis layer drops messages of a burst and closes sockets when Redis goes away.",
            hint='Use "channels_redis.pubsub.RedisPubSubChannelLayer".',
            id="realtime.W004",
        )
    if backend.startswith("channels_redis."):
        for host in layer.get("CONFIG", {}).get("hosts") or ["redis://localhost:6379"]:
            if missing := [name for name in TIMEOUTS if name not in _options_of(host)]:
                yield CheckWarning(
                    f"A Redis host of the channel layer has no {' and no '.join(missing)}: a frozen Redis "
                    "blocks its clients.",
                    hint='Write it as {"address": "redis://…", "socket_timeout": 5, "socket_connect_timeout": 2}.',
                    id="realtime.W005",
                )


def _layer() -> dict[str, Any]:
    layer: dict[str, Any] = getattr(settings, "CHANNEL_LAYERS", {}).get("default", {})
    return layer


def _options_of(host: Any) -> set[str]:
    """The options of a host of the channel layer: the keys of its dict, and the query of its address."""
    options = set(host) if isinstance(host, dict) else set()
    address = host.get("address") if isinstance(host, dict) else host
    return options | set(parse_qs(urlsplit(address).query)) if isinstance(address, str) else options
