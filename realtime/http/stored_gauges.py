"""Gauges that are read from the database. Each is a bounded query: an index gives the rows, and a count ends at
MAX_COUNTED. A table of millions is estimated, never counted."""

from collections.abc import Callable

from django.db import connections

from realtime.log.store import database

Value = float | dict[str, float]
"""A number; or, for a gauge with a label, numbers by the value of the label."""

MAX_COUNTED = 10_000


def read() -> dict[str, Value]:
    """All of them, by name. Raises what the database raises."""
    return {name: value for source in _sources for name, value in source().items()}


def add_source(source: Callable[[], dict[str, Value]]) -> None:
    """`source` returns gauges of another app. A second call with the same function changes nothing."""
    _sources[source] = None


def _read_log() -> dict[str, Value]:
    connection = connections[database()]
    sql = _POSTGRESQL if connection.vendor == "postgresql" else _SQLITE
    with connection.cursor() as cursor:
        cursor.execute(sql, [MAX_COUNTED])
        unnumbered, oldest, events, size = cursor.fetchone()
    return {
        "unnumbered_events": unnumbered,
        "unnumbered_oldest_seconds": max(oldest or 0.0, 0.0),
        "log_events": events,
        "log_bytes": size,
    }


# `pg_class.reltuples` is -1 before the first VACUUM or ANALYZE.
_POSTGRESQL = """
    SELECT count(*), extract(epoch FROM clock_timestamp() - min(created_at))::float8,
        (SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = 'realtime_streamevent'::regclass),
        pg_total_relation_size('realtime_streamevent'::regclass)
    FROM (SELECT created_at FROM realtime_streamevent WHERE seq IS NULL LIMIT %s) AS unnumbered
"""
_SQLITE = """
    SELECT count(*), (julianday('now') - julianday(min(created_at))) * 86400,
        coalesce((SELECT max(id) FROM realtime_streamevent) - (SELECT min(id) FROM realtime_streamevent) + 1, 0),
        (SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size())
    FROM (SELECT created_at FROM realtime_streamevent WHERE seq IS NULL LIMIT %s) AS unnumbered
"""

_sources: dict[Callable[[], dict[str, Value]], None] = {_read_log: None}
