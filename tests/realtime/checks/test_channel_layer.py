"""The checks of the channel layer."""

from typing import Any

import pytest
from pytest_django import Settings

from tests.realtime.checks.conftest import HOST, found, ids


@pytest.mark.parametrize("layers", [{"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}, {}])
def test_production_without_a_layer_between_processes_is_a_warning(
    production: Settings, layers: dict[str, Any]
) -> None:
    production.CHANNEL_LAYERS = layers
    assert ids() == ["realtime.W001"]


def test_the_core_redis_layer_is_a_warning(production: Settings) -> None:
    production.CHANNEL_LAYERS["default"]["BACKEND"] = "channels_redis.core.RedisChannelLayer"
    assert ids() == ["realtime.W004"]


@pytest.mark.parametrize(
    "hosts",
    [
        None,
        ["redis://one:6379"],
        [("one", 6379)],
        [HOST, {"address": "redis://two:6379"}],
        [{"host": "one", "port": 6379, "socket_timeout": 5}],
        ["redis://one:6379/0?socket_timeout=5"],
    ],
)
def test_a_redis_host_without_timeouts_is_a_warning(production: Settings, hosts: list[Any] | None) -> None:
    production.CHANNEL_LAYERS["default"]["CONFIG"]["hosts"] = hosts
    assert ids() == ["realtime.W005"]


@pytest.mark.parametrize(
    "host",
    [
        {"host": "one", "port": 6379, "socket_timeout": 5, "socket_connect_timeout": 2},
        "redis://one:6379/0?socket_timeout=5&socket_connect_timeout=2",
    ],
)
def test_a_redis_host_with_timeouts_passes(production: Settings, host: dict[str, Any] | str) -> None:
    production.CHANNEL_LAYERS["default"]["CONFIG"]["hosts"] = [host]
    assert found() == []
