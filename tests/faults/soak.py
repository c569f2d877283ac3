"""The soak: random faults for hours, while workers write, clients read, and checkers count lost events.

    make soak MINUTES=60
    python -m tests.faults.soak --minutes 60 --seed 7 --report soak.md

It starts its own PostgreSQL, Redis, two server processes and nginx (if installed), on free ports. The limits are those
of production, except that a user may have any number of sockets. It prints a line every few seconds, and writes a
report (Markdown and JSON) at the end or at Ctrl-C. It exits with 1 if an event was lost, doubled, out of order,
changed, or went to another user.
"""

import argparse
import asyncio
import random
import re
import resource
import secrets
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

from tests.faults.checker import check
from tests.faults.cluster import Cluster
from tests.faults.figures import Figures
from tests.faults.history import LOST
from tests.faults.participants import Participants
from tests.faults.random_faults import FAULTS
from tests.waiting import rest_in_loop

PROGRESS = 5.0  # seconds between two lines
QUIET = 4.0  # seconds of writing without faults, to measure the lag
RESTART_ROUNDS = 6  # rounds after which all readers stop, and nothing of them may be left

LIMITS = {"MAX_USER_CONNECTIONS": 0}  # a thousand clients of a few users reconnect at the same time


class Soak:
    """Rounds. Each runs some faults at the same time, recovers, waits until the readers have all events, and checks."""

    def __init__(
        self,
        cluster: Cluster,
        participants: Participants,
        figures: Figures,
        seed: int,
        seconds: float,
        faults: Sequence[str],
    ) -> None:
        self.faults = faults
        self.cluster, self.participants, self.figures = cluster, participants, figures
        self.random = random.Random(seed)
        self.end = time.monotonic() + seconds
        self.doing: list[str] = []

    async def run(self) -> None:
        await self.participants.start_readers()
        rounds = 0
        while time.monotonic() < self.end:
            await self.round()
            rounds += 1
            if rounds % RESTART_ROUNDS == 0:
                await self.participants.stop_readers()
                self.doing = ["nothing is left?"]
                await self.cluster.assert_nothing_left(None)  # Redis was stopped: see Scenario
                await self.participants.start_readers()

    async def round(self) -> None:
        names = self.random.sample(self.faults, k=min(self.random.choice((1, 1, 2, 3)), len(self.faults)))
        self.doing = []
        self.participants.start_writing()
        await asyncio.gather(*map(self.run_fault, names))
        self.doing = ["recovering"]
        await self.cluster.recover()
        self.figures.lag_under_fault = max(self.figures.lag_under_fault, self.participants.take_lag())
        await self.check()
        self.participants.end_slow_reading()
        self.participants.take_lag()
        self.doing = ["quiet"]
        self.participants.start_writing()
        await rest_in_loop(QUIET)
        self.figures.lag_in_quiet = max(self.figures.lag_in_quiet, self.participants.take_lag())

    async def run_fault(self, name: str) -> None:
        await rest_in_loop(self.random.uniform(0, 3))
        self.doing.append(name)
        try:
            await FAULTS[name](self.participants, self.random)
            self.figures.faults[name] += 1
        except (AssertionError, OSError, RuntimeError, psycopg.OperationalError) as error:  # by another fault
            self.figures.interrupted[name] += 1
            print(f"\n{name} was interrupted: {str(error)[:300]}", flush=True)
        finally:
            self.doing.remove(name)

    async def check(self) -> None:
        """Pauses the writers, waits until the readers have all events, and checks the log."""
        self.doing = ["checking"]
        await self.participants.pause_writing()
        violations, before = self.cluster.violations, len(self.cluster.violations.words)
        heads = await self.cluster.heads(self.participants.keys)
        ends = await asyncio.gather(*(each.reach(heads) for each in self.participants.readers), return_exceptions=True)
        for reader, end in zip(self.participants.readers, ends, strict=True):
            if isinstance(end, BaseException):
                violations.add(LOST, f"{reader.name} did not receive all events: {end}")
                await reader.reconnect()
        await asyncio.to_thread(
            check, self.cluster.query, list(heads), self.cluster.seen, self.cluster.committed, self.cluster.violations
        )
        self.cluster.committed.clear()
        self.figures.events = sum(heads.values())
        for words in violations.words[before:]:
            print(f"\n{words}", flush=True)

    async def progress(self) -> None:
        while True:
            await rest_in_loop(PROGRESS)
            self.measure()
            print(self.figures.line(self.end - time.monotonic(), self.doing), flush=True)

    def measure(self) -> None:
        self.figures.deliveries = self.participants.received
        self.figures.snapshots = self.participants.snapshots
        self.figures.reconnects = self.participants.reconnects
        self.figures.lag_now = self.participants.lag
        self.figures.measure_memory(self.cluster.servers)


async def soak(minutes: float, seed: int, report: Path, readers: int, faults: Sequence[str]) -> int:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(64))
    cluster = Cluster(servers=2, timeout=5.0, limits=LIMITS)
    figures = Figures(seed, minutes)
    try:
        print("Starting PostgreSQL, Redis, two servers …", flush=True)
        cluster.start(behind_nginx=True)
        figures.behind_nginx = cluster.nginx is not None
        participants = await Participants.of(cluster, readers, seed)
        rounds = Soak(cluster, participants, figures, seed, minutes * 60, faults)
        running = asyncio.ensure_future(rounds.run())
        printing = asyncio.create_task(rounds.progress())
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, running.cancel)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
        done, _ = await asyncio.wait({running, printing}, return_when=asyncio.FIRST_COMPLETED)
        rounds.measure()
        printing.cancel()
        for task in done:
            if not task.cancelled() and (error := task.exception()):
                cluster.violations.add("failed", "".join(traceback.format_exception(error))[-2000:])
        figures.violations, figures.words = cluster.violations.counts, cluster.violations.words
        figures.write(report)
        print(f"\n{figures.markdown()}\nThe report is in {report} and {report.with_suffix('.json')}.", flush=True)
        running.cancel()
        await participants.stop_readers()
        return 1 if cluster.violations else 0
    finally:
        cluster.close()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m tests.faults.soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10, help="how long (default: 10)")
    parser.add_argument("--seed", type=int, help="of the choice of faults; the report names it (default: a random one)")
    parser.add_argument("--report", type=Path, default=Path("soak.md"), help="the report (default: soak.md)")
    parser.add_argument("--readers", type=int, default=48, help="clients that stay, over all users (default: 48)")
    parser.add_argument("--only", default="", metavar="PATTERN", help="faults whose name has it (default: all)")
    options = parser.parse_args(arguments)
    if options.minutes <= 0 or options.readers < 3:
        parser.error("--minutes must be above 0, and --readers 3 or more")
    faults = [name for name in FAULTS if re.search(options.only, name)]
    if not faults:
        parser.error("no such fault; there are: " + "; ".join(FAULTS))
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(files, min(most, 20_000)), most))
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    return asyncio.run(soak(options.minutes, seed, options.report, options.readers, faults))


if __name__ == "__main__":
    sys.exit(main())
