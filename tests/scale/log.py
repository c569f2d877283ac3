"""Measures the log at scale on a private PostgreSQL: the commands (time and peak memory), the hot queries (time and
plan), and the bytes of an event.

    python -m tests.scale.log --events 1000000 --streams 10000     10,000 streams of 100 events
    python -m tests.scale.log --events 1000000 --streams 1         one stream
    ... --repeat 3 --entities 10 --payload 700 --plans             --repeat 0: no commands

Prints Markdown. 90 % of the events are older than a week. Times are the minimum and the median of the repetitions.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import django

from realtime.log import types
from tests.backends import ENVIRONMENT
from tests.servers import Postgres
from tests.servers.process import ROOT

COMMANDS = (
    "prune_events --older-than 7d --dry-run",
    "check_streams",
    "new_epochs --yes",
    "prune_events --older-than 7d",
)

SEED = """
    INSERT INTO realtime_stream (key, epoch, head, floor, created_at)
    SELECT 'u' || n || '|graph_exec#' || md5(n::text)::uuid, substr(md5(n::text), 1, 16), {each}, 0, now()
    FROM generate_series(1, {streams}) n;
    INSERT INTO realtime_streamevent (stream_id, seq, key, entity, method, data, size, created_at)
    SELECT s.id, n, '', md5(s.id || '/' || n % {entities})::uuid, 'node_execution_event',
        '"' || substr(repeat(md5(s.id || '.' || n), 1 + {payload} / 32), 3, {payload} - 2) || '"', {payload},
        now() - CASE WHEN n <= {each} * 0.9 THEN interval '30 days' ELSE interval '1 hour' END
    FROM generate_series(1, {each}) n, realtime_stream s;
"""


def main() -> None:
    options = _options()
    with Postgres() as server:
        os.environ.update(ENVIRONMENT, DATABASE_URL=server.url)
        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        seed(options)
        show(f"## {options.events:,} events in {options.streams:,} streams, {options.entities} entities each")
        measure_size(options.events)
        measure_queries(options)
        close()
        if not options.repeat:
            return
        show("", "| command | seconds, minimum | median | peak MB |", "|---|---|---|---|")
        for command in COMMANDS:
            measure_command(server, command, options.repeat)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures the log at scale; prints Markdown.")
    for name, default in (("events", 1_000_000), ("streams", 10_000), ("entities", 10), ("payload", 700)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--plans", action="store_true", help="print the plan of each query")
    return parser.parse_args()


def show(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)  # noqa: T201 - the output of the program


def seed(options: argparse.Namespace) -> None:
    values = {**vars(options), "each": options.events // options.streams}
    for statement in SEED.format(**values).split(";")[:-1]:
        execute(statement)
    execute("VACUUM ANALYZE")


def execute(sql: str) -> list[tuple[Any, ...]]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall() if cursor.description else []


def close() -> None:
    from django.db import connection

    connection.close()
    connection.close_pool()


def measure_size(events: int) -> None:
    rows = execute(
        "SELECT relname, pg_relation_size(oid) FROM pg_class WHERE relkind IN ('r', 'i') AND "
        "(relname LIKE 'stream_event%' OR relname LIKE 'realtime_streamevent%') ORDER BY 2 DESC"
    )
    show("", "| table or index | bytes an event |", "|---|---|")
    show(*(f"| {name} | {size / events:,.1f} |" for name, size in rows))


def measure_queries(options: argparse.Namespace) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    show("", "| query | ms, minimum | median |", "|---|---|---|")
    plans = []
    for name, work in queries(options):
        times = [timed(work) * 1000 for _ in range(max(options.repeat, 5))]
        show(f"| {name} | {min(times):,.2f} | {statistics.median(times):,.2f} |")
        with CaptureQueriesContext(connection) as captured:
            work()
        for each in captured.captured_queries if options.plans else ():
            if each["sql"].lstrip().startswith(("SELECT", "WITH")):
                plan = execute(f"EXPLAIN (ANALYZE, BUFFERS) {each['sql']}")
                plans += ["", f"### {name}", *(row[0][:160] for row in plan)]
    show(*plans)


def queries(options: argparse.Namespace) -> Iterator[tuple[str, Callable[[], Any]]]:
    from django.utils import timezone

    from realtime.log import numbering, store
    from realtime.log.replay import newest_by_entity, read_after
    from realtime.log.retention import streams_with_old_events
    from realtime.models import Stream

    ids = list(Stream.objects.values_list("pk", flat=True)[:10_000])
    stream = Stream.objects.get(pk=ids[len(ids) // 2])
    yield "a page of 100 events", lambda: read_after(stream.pk, stream.head - 100)
    yield "snapshot: newest of each entity", lambda: newest_by_entity(stream.pk, after=0, head=stream.head, limit=200)
    yield f"heads of {len(ids):,} streams", lambda: store.read_heads(ids)
    yield "head of a stream", lambda: store.read_head(stream.key)
    yield "streams with unnumbered events, none", lambda: store.find_unnumbered(1_000)
    limit = timezone.now() - timedelta(days=7)
    yield "streams with old events, all", lambda: streams_with_old_events(limit).count()
    none = timezone.now() - timedelta(days=365)
    yield "streams with old events, none", lambda: streams_with_old_events(none).count()
    drafts = [types.EventDraft("changed", '"x"', (types.StreamRef(stream.key, "e"),))] * 100

    def number() -> None:
        store.insert(drafts)
        numbering.number([stream.key])

    yield "insert and number 100 events", number


def timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure_command(server: Postgres, command: str, repeat: int) -> None:
    """Runs the command `repeat` times, each as a process of its own on a new copy of the database."""
    import psycopg

    times, peaks, output = [], [], b""
    copy = f"{server.url}_copy"
    for _ in range(repeat):
        with psycopg.connect(server._url_of("postgres"), autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS runwire_copy")
            connection.execute("CREATE DATABASE runwire_copy TEMPLATE runwire STRATEGY file_copy")
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "manage.py", *command.split()],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": copy},
            stdout=subprocess.PIPE,
        )
        assert process.stdout
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        times.append(time.perf_counter() - start)
        peaks.append(usage.ru_maxrss / 1024)
        if process.returncode:
            raise SystemExit(f"{command} failed: {output!r}")
    show(f"| `{command}` | {min(times):.1f} | {statistics.median(times):.1f} | {max(peaks):.0f} |")
    show(f"<!-- {output.decode().strip()} -->")


if __name__ == "__main__":
    main()
