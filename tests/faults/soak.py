"""The soak: hours of random faults, while workers write and browsers watch, and an oracle that counts.

    make soak MINUTES=60
    python -m tests.faults.soak --minutes 60 --seed 7 --report soak.md

PostgreSQL, Redis, two server processes and nginx (where it is installed) are its own, on free ports, with the limits of
production, but that a user may have any number of sockets. It prints a line every few seconds, writes a report
(Markdown, and JSON beside it) at the end or at Ctrl-C, and exits with 1 if an event was lost, doubled, out of order,
changed, or went to somebody else.
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

from tests.faults.cast import Cast
from tests.faults.figures import Figures
from tests.faults.history import LOST
from tests.faults.mixture import FAULTS
from tests.faults.oracle import check
from tests.faults.stage import Stage
from tests.waiting import rest_in_loop

PROGRESS = 5.0  # seconds between two lines
QUIET = 4.0  # seconds of undisturbed writing, for the lag in quiet
FRESH = 6  # after so many rounds everybody leaves, and nothing may be left of them

LIMITS = {"MAX_USER_CONNECTIONS": 0}  # a thousand clients come back at once, of a few users


class Soak:
    """Rounds of: some faults at once, healing, everybody at the end of every log, a look by the oracle."""

    def __init__(
        self, stage: Stage, cast: Cast, figures: Figures, seed: int, seconds: float, faults: Sequence[str]
    ) -> None:
        self.faults = faults
        self.stage, self.cast, self.figures = stage, cast, figures
        self.random = random.Random(seed)
        self.end = time.monotonic() + seconds
        self.doing: list[str] = []

    async def run(self) -> None:
        await self.cast.enter()
        rounds = 0
        while time.monotonic() < self.end:
            await self.round()
            rounds += 1
            if rounds % FRESH == 0:
                await self.cast.leave()
                self.doing = ["nothing is left?"]
                await self.stage.nothing_is_left(None)  # Redis has been away: see Scene
                await self.cast.enter()

    async def round(self) -> None:
        names = self.random.sample(self.faults, k=min(self.random.choice((1, 1, 2, 3)), len(self.faults)))
        self.doing = []
        self.cast.write()
        await asyncio.gather(*map(self.play, names))
        self.doing = ["healing"]
        await self.stage.heal()
        self.figures.lag_under_fault = max(self.figures.lag_under_fault, self.cast.take_lag())
        await self.look()
        self.cast.read_well()
        self.cast.take_lag()
        self.doing = ["quiet"]
        self.cast.write()
        await rest_in_loop(QUIET)
        self.figures.lag_in_quiet = max(self.figures.lag_in_quiet, self.cast.take_lag())

    async def play(self, name: str) -> None:
        await rest_in_loop(self.random.uniform(0, 3))
        self.doing.append(name)
        try:
            await FAULTS[name](self.cast, self.random)
            self.figures.faults[name] += 1
        except (AssertionError, OSError, RuntimeError, psycopg.OperationalError) as error:  # by another fault
            self.figures.hindered[name] += 1
            print(f"\n{name} was hindered: {str(error)[:300]}", flush=True)
        finally:
            self.doing.remove(name)

    async def look(self) -> None:
        """Writers rest; everybody comes to the end; the oracle compares."""
        self.doing = ["looking"]
        await self.cast.rest()
        breaches, before = self.stage.breaches, len(self.stage.breaches.words)
        heads = await self.stage.heads(self.cast.keys)
        ends = await asyncio.gather(*(each.reach(heads) for each in self.cast.readers), return_exceptions=True)
        for reader, end in zip(self.cast.readers, ends, strict=True):
            if isinstance(end, BaseException):
                breaches.add(LOST, f"{reader.name} did not come to the end: {end}")
                await reader.come_back()
        await asyncio.to_thread(
            check, self.stage.query, list(heads), self.stage.seen, self.stage.committed, self.stage.breaches
        )
        self.stage.committed.clear()
        self.figures.events = sum(heads.values())
        for words in breaches.words[before:]:
            print(f"\n{words}", flush=True)

    async def progress(self) -> None:
        while True:
            await rest_in_loop(PROGRESS)
            self.measure()
            print(self.figures.line(self.end - time.monotonic(), self.doing), flush=True)

    def measure(self) -> None:
        self.figures.deliveries = self.cast.received
        self.figures.snapshots = self.cast.snapshots
        self.figures.reconnects = self.cast.reconnects
        self.figures.lag_now = self.cast.lag
        self.figures.measure_memory(self.stage.servers)


async def soak(minutes: float, seed: int, report: Path, readers: int, faults: Sequence[str]) -> int:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(64))
    stage = Stage(servers=2, timeout=5.0, limits=LIMITS)
    figures = Figures(seed, minutes)
    try:
        print("Starting PostgreSQL, Redis, two servers …", flush=True)
        stage.start(behind_nginx=True)
        figures.behind_nginx = stage.nginx is not None
        cast = await Cast.of(stage, readers, seed)
        play = Soak(stage, cast, figures, seed, minutes * 60, faults)
        playing = asyncio.ensure_future(play.run())
        showing = asyncio.create_task(play.progress())
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, playing.cancel)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, playing.cancel)
        done, _ = await asyncio.wait({playing, showing}, return_when=asyncio.FIRST_COMPLETED)
        play.measure()
        showing.cancel()
        for task in done:
            if not task.cancelled() and (error := task.exception()):
                stage.breaches.add("failed", "".join(traceback.format_exception(error))[-2000:])
        figures.breaches, figures.words = stage.breaches.counts, stage.breaches.words
        figures.write(report)
        print(f"\n{figures.markdown()}\nThe report is in {report} and {report.with_suffix('.json')}.", flush=True)
        playing.cancel()
        await cast.leave()
        return 1 if stage.breaches else 0
    finally:
        stage.close()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m tests.faults.soak", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10, help="how long (default: 10)")
    parser.add_argument("--seed", type=int, help="of the choice of faults; the report names it (default: a random one)")
    parser.add_argument("--report", type=Path, default=Path("soak.md"), help="the report (default: soak.md)")
    parser.add_argument("--readers", type=int, default=48, help="clients that stay, over all users (default: 48)")
    parser.add_argument("--only", default="", metavar="PATTERN", help="faults whose name has it (default: all)")
    wishes = parser.parse_args(arguments)
    if wishes.minutes <= 0 or wishes.readers < 3:
        parser.error("--minutes must be above 0, and --readers 3 or more")
    faults = [name for name in FAULTS if re.search(wishes.only, name)]
    if not faults:
        parser.error("no such fault; there are: " + "; ".join(FAULTS))
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(files, min(most, 20_000)), most))
    seed = secrets.randbelow(10**6) if wishes.seed is None else wishes.seed
    return asyncio.run(soak(wishes.minutes, seed, wishes.report, wishes.readers, faults))


if __name__ == "__main__":
    sys.exit(main())
