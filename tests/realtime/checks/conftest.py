"""Correct settings, which a test makes wrong, and the messages of the checks."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.db import connections, models
from pytest_django import Settings

from realtime import tested_versions
from realtime.tested_versions import TESTED

PUBSUB = "channels_redis.pubsub.RedisPubSubChannelLayer"
HOST = {"address": "redis://redis.internal:6379/0", "socket_timeout": 5, "socket_connect_timeout": 2}
SECRET = "a secret of more than thirty-two bytes"
DATABASES: dict[str, dict[str, Any]] = {
    "postgres": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "runwire",
        "OPTIONS": {"pool": {"min_size": 0, "max_size": 20}},
    },
    "file": {"ENGINE": "django.db.backends.sqlite3", "NAME": "runwire.sqlite3"},
    "no_database": {"ENGINE": "django.db.backends.dummy"},
}


class Router:
    """Routes all models to one database, except the model `elsewhere`."""

    def __init__(self, alias: str, elsewhere: str = "") -> None:
        self.alias, self.elsewhere = alias, elsewhere

    def db_for_write(self, model: type[models.Model], **hints: Any) -> str:
        return "file" if model.__name__ == self.elsewhere else self.alias


@pytest.fixture
def production(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Correct settings of a production. Each test makes one of them wrong. No check connects to anything."""
    for alias, database in DATABASES.items():
        monkeypatch.setitem(connections.settings, alias, {**database})
    connections.configure_settings(connections.settings)
    settings.DEBUG = False
    settings.DATABASE_ROUTERS = [Router("postgres")]
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": PUBSUB, "CONFIG": {"hosts": [HOST]}}}
    settings.REALTIME = {"ALLOWED_ORIGINS": ["https://runwire.example.com"]}
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.JWT_ALGORITHM, settings.JWT_KEY = "HS256", SECRET
    monkeypatch.setattr(tested_versions, "version", lambda package: TESTED[package][-1])
    yield settings
    for connection in connections.all(initialized_only=True):
        if connection.alias in DATABASES:
            del connections[connection.alias]


def found() -> list[CheckMessage]:
    messages = run_checks(tags=["realtime"], include_deployment_checks=True)
    assert all(message.hint for message in messages), "a message without a cure"
    return messages


def ids() -> list[str | None]:
    return [message.id for message in found()]
