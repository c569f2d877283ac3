"""Runs the benchmark."""

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from bench import report
from bench.child import Child
from bench.machine import LOAD_CORES
from bench.rows import NEEDED, QUICK, ROWS, Bench, Figures, Sizes
from bench.targets import TARGETS
from tests.servers import Postgres, Redis
from tests.servers.process import ROOT

DOCS = ROOT / "docs"


def main() -> None:
    options = arguments()
    began = time.monotonic()
    rows = options.only or list(ROWS)
    rounds = options.rounds or (1 if options.quick else 3)
    found: dict[tuple[str, str], list[Figures]] = {}
    with prepared(QUICK if options.quick else Sizes()) as bench:
        for name in rows:
            row = ROWS[name]
            turns = rounds * (1 if options.quick else row.turns)
            wanted = [TARGETS[each] for each in row.targets if not options.quick or each in NEEDED]
            chosen = [target for target in wanted if target.is_installed]
            for turn in range(turns):
                for target in chosen:
                    say(f"{time.monotonic() - began:5.0f} s  {name}  turn {turn + 1} of {turns}  {target.name} … ")
                    figures = row.measure(bench, target)
                    found.setdefault((name, target.name), []).append(figures)
                    say(", ".join(f"{key} {value:.3g}" for key, value in figures.items()) + "\n")
    result = {
        "machine": report.machine(),
        "taken": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "rounds": rounds,
        "rows": [report.as_row(row, TARGETS[name], figures) for (row, name), figures in found.items()],
    }
    medians = {key: medians_of(figures) for key, figures in found.items()}
    print("\n" + report.tables(result["rows"], medians))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    if not options.quick and not options.only:
        report.write(DOCS, result, medians)
        print(f"\nWritten: {DOCS}/benchmark.md, .json and .svg")


def medians_of(turns: Sequence[Figures]) -> Figures:
    return {name: median(figures[name] for figures in turns if name in figures) for name in turns[0]}


@contextmanager
def prepared(sizes: Sizes) -> Iterator[Bench]:
    """Starts private databases, the publisher and the load generator, on other cores than the servers'."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, LOAD_CORES)
    say("starting PostgreSQL and Redis, and making the rows …\n")
    with Postgres() as postgres, Redis() as redis:
        environment: dict[str, Any] = {
            "DATABASE_URL": postgres.url,
            "REDIS_URL": redis.url,
            "DJANGO_SETTINGS_MODULE": "bench.settings",
        }
        with Child("bench.publisher", environment) as publisher, Child("bench.load") as load:
            yield Bench(sizes, environment, publisher, load)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=sys.modules["bench"].__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer sockets, peers and rounds; writes nothing to docs/")
    parser.add_argument("--only", metavar="ROW", action="append", choices=list(ROWS), help=f"one of {', '.join(ROWS)}")
    parser.add_argument("--rounds", type=int, help="how often each row is measured: 3, or 1 with --quick")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of every turn here, too")
    return parser.parse_args()


def say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


if __name__ == "__main__":
    main()
