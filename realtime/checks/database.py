"""Checks of the databases: E001, E002, W002, W006."""

import sqlite3
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning
from django.db import connections, router

from realtime.models import Stream, StreamEvent

OLDEST_SQLITE = (3, 35)


@register("realtime")
def check_database(app_configs: Any, **options: Any) -> Iterator[CheckMessage]:
    """E001, E002: the database of the log."""
    alias = router.db_for_write(StreamEvent)
    connection = connections[alias]
    is_sqlite = connection.vendor == "sqlite"
    if not (connection.vendor == "postgresql" or (is_sqlite and sqlite3.sqlite_version_info >= OLDEST_SQLITE)):
        yield Error(
            f"{connection.display_name} cannot hold the log: events are numbered with UPDATE … FROM … RETURNING.",
            hint="Use PostgreSQL 15 or newer (DATABASE_URL=postgres://…), or SQLite 3.35 or newer.",
            id="realtime.E001",
        )
    in_other_database = sorted(model.__name__ for model in _models_with_log() if router.db_for_write(model) != alias)
    if in_other_database:
        yield Error(
            f"{', '.join(in_other_database)} are not in the database of the log ({alias}), so a change and its event "
            "are not one transaction.",
            hint="Let the database router keep the apps executions and realtime in one database.",
            id="realtime.E002",
        )


@register("realtime", deploy=True)
def check_writers(app_configs: Any, **options: Any) -> Iterator[CheckMessage]:
    """W002: a production has several writers."""
    if connections[router.db_for_write(StreamEvent)].vendor == "sqlite" and not settings.DEBUG:
        yield CheckWarning(
            "SQLite with DEBUG off: one writer at a time, on one machine.",
            hint="Set DATABASE_URL to a PostgreSQL.",
            id="realtime.W002",
        )


@register("realtime")
def check_connections(app_configs: Any, **options: Any) -> Iterator[CheckMessage]:
    """W006: persistent database connections."""
    for alias, database in connections.settings.items():
        if database.get("CONN_MAX_AGE") != 0:
            yield CheckWarning(
                f"The database {alias} has persistent connections (CONN_MAX_AGE), but under ASGI each request may run "
                "in a new thread: connections accumulate until the database refuses more.",
                hint='Set CONN_MAX_AGE to 0, and for PostgreSQL OPTIONS["pool"].',
                id="realtime.W006",
            )


def _models_with_log() -> Iterator[type]:
    """The models that must be in one database: those whose changes the log records, and the log's."""
    yield Stream
    if apps.is_installed("executions"):
        yield from apps.get_app_config("executions").get_models()
