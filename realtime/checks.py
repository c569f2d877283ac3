"""System checks: wrong or doubtful settings. Each message has an id, and a hint with the cure.

    E001  a database that is neither PostgreSQL nor SQLite 3.35+
    E002  executions and their log in two databases
    E003  REALTIME: an unknown name, or a value of a wrong type or range
    E004  REALTIME["ALLOWED_ORIGINS"]: an entry that no browser sends
    E005  JWT_ALGORITHM or JWT_KEY that cannot verify a token
    W001  no channel layer, or the in-memory one, with DEBUG off
    W002  SQLite with DEBUG off
    W003  behind a proxy, and no Origin is allowed
    W004  the core Redis layer instead of the pub/sub one
    W005  a Redis host without timeouts
    W006  database connections that are kept
    W007  a short JWT_KEY with DEBUG off
    W008  a database pool that is not larger than the number of realtime's threads
    W009  an untested version of a package whose private parts realtime uses

The checks read only settings and package versions, and connect to nothing. They run with every `manage.py` command;
`manage.py check --tag realtime` runs only these. The import of this module registers them.
"""

import difflib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning
from django.db import connections, router
from django.utils.encoding import force_bytes
from jwt.algorithms import get_default_algorithms
from jwt.exceptions import InvalidKeyError
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from realtime.conf import Limits, limits, names
from realtime.models import Stream, StreamEvent

TAG = "realtime"
Apps = Sequence[AppConfig] | None

OLDEST_SQLITE = (3, 35)
SHORTEST_KEY = 32  # bytes: the length of an HS256 signature
TIMEOUTS = ("socket_timeout", "socket_connect_timeout")
# 0 means: do not wait, inline nothing, no limit.
MAY_BE_ZERO = {
    *("DRAIN_SPREAD", "GAP_WAIT", "JOIN_TIMEOUT", "MAX_INLINE_BYTES", "MESSAGE_BURST", "SWEEP_GRACE"),
    *("MAX_ADDRESS_CONNECTIONS", "MAX_CONNECTIONS", "MAX_USER_CONNECTIONS"),
}
AT_MOST = {"REJOIN_INTERVAL": 60}  # seconds; a lost group membership is restored within a minute
NOT_ABOVE = (("SNAPSHOT_LIMIT", "MAX_SNAPSHOT_LIMIT"), ("MAX_INLINE_BYTES", "MAX_EVENT_BYTES"))

TESTED: Final[dict[str, tuple[str, ...]]] = {
    "daphne": ("4.2.3",),
    "twisted": ("26.10.0",),
    "autobahn": ("26.10.2",),
    "channels-redis": ("4.3.0",),
    "redis": ("8.1.0",),
}
"""The tested versions of packages whose private parts the server and the announcer use. Any release may change these
parts. requirements.txt pins the newest tested version, and docs/operations.md lists all of them."""


@register(TAG)
def check_database(app_configs: Apps, **options: Any) -> Iterator[CheckMessage]:
    """E001, E002, W002: the database of the log."""
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
    if is_sqlite and not settings.DEBUG:
        yield CheckWarning(
            "SQLite with DEBUG off: one writer at a time, on one machine.",
            hint="Set DATABASE_URL to a PostgreSQL.",
            id="realtime.W002",
        )


@register(TAG)
def check_connections(app_configs: Apps, **options: Any) -> Iterator[CheckMessage]:
    """W006: persistent database connections."""
    for alias, database in connections.settings.items():
        if database.get("CONN_MAX_AGE") != 0:
            yield CheckWarning(
                f"The database {alias} has persistent connections (CONN_MAX_AGE), but under ASGI each request may run "
                "in a new thread: connections accumulate until the database refuses more.",
                hint='Set CONN_MAX_AGE to 0, and for PostgreSQL OPTIONS["pool"].',
                id="realtime.W006",
            )


@register(TAG)
def check_layer(app_configs: Apps, **options: Any) -> Iterator[CheckMessage]:
    """W001, W004, W005: the channel layer."""
    layer = getattr(settings, "CHANNEL_LAYERS", {}).get("default", {})
    backend = layer.get("BACKEND", "")
    if not settings.DEBUG and backend in ("", "channels.layers.InMemoryChannelLayer"):
        yield CheckWarning(
            "There is no channel layer between processes, and DEBUG is off: events of other processes arrive only with "
            "the sweep, seconds late.",
            hint="Set REDIS_URL.",
            id="realtime.W001",
        )
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


@register(TAG)
def check_limits(app_configs: Apps, **options: Any) -> Iterator[CheckMessage]:
    """E003, and if that finds nothing E004, W003, W008: the values in REALTIME."""
    given = getattr(settings, "REALTIME", {})
    try:
        _schema().model_validate(given)
    except ValidationError as error:
        for each in error.errors():
            name = "".join(f'["{part}"]' for part in each["loc"])
            similar = difflib.get_close_matches(str(each["loc"][-1]), names, 1) if each["loc"] else []
            yield Error(
                f"REALTIME{name}: {each['msg']}.",
                hint=f"Did you mean {similar[0]}?" if similar and similar[0] not in given else "See realtime/conf.py.",
                id="realtime.E003",
            )
        return
    for small, large in NOT_ABOVE:
        if getattr(limits, small) > getattr(limits, large):
            yield Error(
                f'REALTIME["{small}"] is above "{large}".',
                hint=f"Give {small} at most {getattr(limits, large)}, or raise {large}.",
                id="realtime.E003",
            )
    yield from _check_origins()
    yield from _check_pool_size()


def _check_origins() -> Iterator[CheckMessage]:
    for origin in limits.ALLOWED_ORIGINS:
        parts = urlsplit(origin)
        if (
            f"{parts.scheme}://{parts.netloc}" != origin.rstrip("/")
            or parts.scheme not in ("http", "https")
            or "*" in origin
        ):
            yield Error(
                f'{origin!r} in REALTIME["ALLOWED_ORIGINS"] is not an origin that a browser sends.',
                hint="Write scheme, host and port only, without a wildcard or a path: https://app.example.com",
                id="realtime.E004",
            )
    is_behind_proxy = getattr(settings, "SECURE_PROXY_SSL_HEADER", None) or settings.USE_X_FORWARDED_HOST
    if is_behind_proxy and not limits.ALLOWED_ORIGINS:
        yield CheckWarning(
            "The server is behind a proxy, and allows no origin besides its own: if the proxy changes the host or the "
            "scheme, sockets with a session cookie are refused (403).",
            hint='Set CSRF_TRUSTED_ORIGINS (or REALTIME["ALLOWED_ORIGINS"]) to https://your.host.',
            id="realtime.W003",
        )


def _check_pool_size() -> Iterator[CheckMessage]:
    pool = connections[router.db_for_write(StreamEvent)].settings_dict["OPTIONS"].get("pool")
    size = (pool.get("max_size") or pool.get("min_size", 4)) if isinstance(pool, dict) else 4  # psycopg_pool's default
    if pool and size <= limits.DB_THREADS:
        yield CheckWarning(
            f"The database pool has {size} connections, and the sockets may use {limits.DB_THREADS} of them: requests "
            "will wait for connections.",
            hint='Raise OPTIONS["pool"]["max_size"] (DATABASE_POOL_SIZE), or lower REALTIME["DB_THREADS"].',
            id="realtime.W008",
        )


@register(TAG)
def check_token_key(app_configs: Apps, **options: Any) -> Iterator[CheckMessage]:
    """E005, W007: the key that verifies tokens."""
    name, key = getattr(settings, "JWT_ALGORITHM", "HS256"), getattr(settings, "JWT_KEY", settings.SECRET_KEY)
    algorithm = get_default_algorithms().get(name)
    if algorithm is None or name == "none":
        yield Error(
            f"JWT_ALGORITHM is {name!r}, which cannot verify a token.",
            hint="Use HS256 with a secret JWT_KEY, or RS256, ES256 or EdDSA with a public one.",
            id="realtime.E005",
        )
        return
    try:
        algorithm.prepare_key(key)
    except (InvalidKeyError, ValueError, TypeError) as error:
        yield Error(
            f"JWT_KEY is not a key for {name}: {error}",
            hint="Set JWT_KEY to a long random secret for HS256, to a public key in PEM form for the others.",
            id="realtime.E005",
        )
        return
    if name.startswith("HS") and not settings.DEBUG and len(force_bytes(key)) < SHORTEST_KEY:
        yield CheckWarning(
            f"JWT_KEY is shorter than {SHORTEST_KEY} bytes: anyone with one token can guess it and forge others.",
            hint="Set JWT_KEY=$(python -c 'import secrets; print(secrets.token_urlsafe(48))').",
            id="realtime.W007",
        )


@register(TAG)
def check_versions(app_configs: Apps, **options: Any) -> Iterator[CheckMessage]:
    """W009: versions of packages whose private parts realtime uses."""
    for package, tested in TESTED.items():
        try:
            installed = version(package)
        except PackageNotFoundError:
            continue
        if installed not in tested:
            yield CheckWarning(
                f"{package} {installed} is installed, and realtime uses private parts of it that were tested with "
                f"{' and '.join(tested)} only.",
                hint=f"Install {package}=={tested[-1]}, as requirements.txt has it; or run the tests with {installed} "
                "and add it to TESTED in realtime/checks.py.",
                id="realtime.W009",
            )


def _models_with_log() -> Iterator[type]:
    """The models that must be in one database: those whose changes the log records, and the log's."""
    yield Stream
    if apps.is_installed("executions"):
        yield from apps.get_app_config("executions").get_models()


def _options_of(host: Any) -> set[str]:
    """The options of a host of the channel layer: the keys of its dict, and the query of its address."""
    options = set(host) if isinstance(host, dict) else set()
    address = host.get("address") if isinstance(host, dict) else host
    return options | set(parse_qs(urlsplit(address).query)) if isinstance(address, str) else options


def _schema() -> type[BaseModel]:
    """A schema of REALTIME: the names and types of realtime/conf.py, and the ranges of numbers."""
    known: dict[str, Any] = {}
    for each in fields(Limits):
        bounds: dict[str, Any] = {}
        if each.type in (int, float):
            bounds["ge" if each.name in MAY_BE_ZERO else "gt"] = 0
            if each.name in AT_MOST:
                bounds["le"] = AT_MOST[each.name]
        known[each.name] = (each.type, Field(default=None, **bounds))
    return create_model("REALTIME", __config__=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False), **known)
