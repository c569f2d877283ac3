"""Checks of the limits in REALTIME: E003, E004, W003, W008."""

import difflib
from collections.abc import Iterator
from dataclasses import fields
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning
from django.db import connections, router
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from realtime.checks.housekeeping import check_housekeeping, check_retention
from realtime.conf import Limits, limits, names
from realtime.models import StreamEvent

# 0 means: do not wait, inline nothing, no limit.
MAY_BE_ZERO = {
    *("DRAIN_SPREAD", "GAP_WAIT", "JOIN_TIMEOUT", "MAX_INLINE_BYTES", "MESSAGE_BURST", "SWEEP_GRACE"),
    *("MAX_ADDRESS_CONNECTIONS", "MAX_CONNECTIONS", "MAX_USER_CONNECTIONS", "MAX_GUEST_CONNECTIONS"),
    *("MAX_ADDRESS_HTTP_CONNECTIONS", "MAX_HTTP_CONNECTIONS"),
    *("LOGIN_FAILURES", "LOGIN_ADDRESS_FAILURES", "LOGIN_ACCOUNT_FAILURES", "KNOWN_ADDRESS_LIFETIME"),
    *("USER_READS", "USER_WRITES", "USER_STARTS", "WORKER_READS", "WORKER_WRITES", "WORKER_STARTS"),
    *("SHARED_READS", "SOCKET_TOKENS", "LOG_BYTES"),
}
AT_MOST = {
    "REJOIN_INTERVAL": 60,  # seconds; a lost group membership is restored within a minute
    "HOUSEKEEPING_SHARE": 1,
}
NOT_ABOVE = (("SNAPSHOT_LIMIT", "MAX_SNAPSHOT_LIMIT"), ("MAX_INLINE_BYTES", "MAX_EVENT_BYTES"))


@register("realtime")
def check_limits(app_configs: Any, **options: Any) -> Iterator[CheckMessage]:
    """E003, and if that finds nothing E004, W003, W008 and those of the housekeeping: the values in REALTIME."""
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
    yield from check_housekeeping()
    yield from check_retention()


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
