"""`manage.py housekeeping`: does what is due, once or again and again."""

import signal
import sys
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections

from realtime.conf import limits
from realtime.housekeeping.jobs import Counts, Job, all_jobs
from realtime.housekeeping.runner import describe, pause_until, run, run_each_due
from realtime.management.progress import ProgressLine

_PAUSE = pause_until(None)  # only a signal stops the command


class Command(BaseCommand):
    help = (
        "Removes old events, read notifications and expired answers, and fails the runs of silent workers: the jobs "
        "that are due and that no other process runs. Works in short transactions, with pauses: it may run beside "
        "servers and workers, and Ctrl-C keeps what is done."
    )
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--once", action="store_true", help="do what is due, and end (this is the default)")
        how.add_argument("--loop", action="store_true", help="look again and again, until Ctrl-C or SIGTERM")
        parser.add_argument(
            "--job", choices=sorted(all_jobs()), metavar="NAME", help="this job now, due or not: %(choices)s"
        )
        parser.add_argument("--dry-run", action="store_true", help="change nothing; only say what would be done")

    def handle(self, *args: Any, loop: bool, job: str | None, dry_run: bool, **options: Any) -> None:
        if loop and (job or dry_run):
            raise CommandError("--loop goes with neither --job nor --dry-run.")
        self._progress = ProgressLine(self.stderr)
        jobs = [all_jobs()[job]] if job else list(all_jobs().values())
        try:
            if dry_run:
                for each in jobs:
                    self._say(each.name, self._count(each), "would be done")
            elif job:
                self._run_now(jobs[0])
            elif loop:
                self._loop()
            else:
                for name, did in run_each_due(_PAUSE):
                    self._say(name, did)
        except KeyboardInterrupt:
            self._progress.end()
            self.stderr.write("Stopped. What was done stays; the rest is due at once.")
            sys.exit(130)  # the exit code of a program that Ctrl-C has ended

    def _loop(self) -> None:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        while True:
            for name, did in run_each_due(_PAUSE):
                if did:
                    self._say(name, did)
            close_old_connections()
            time.sleep(limits.HOUSEKEEPING_POLL)

    def _run_now(self, job: Job) -> None:
        did = run(job, _PAUSE, must_be_due=False, on_progress=lambda done: self._progress(describe(done)))
        if did is None:
            raise CommandError(f"Another process runs {job.name}. The admin page of housekeeping jobs shows which.")
        self._say(job.name, did)

    def _count(self, job: Job) -> Counts:
        total: dict[str, int] = {}
        for counts in job.run(True):
            for what, number in counts.items():
                total[what] = total.get(what, 0) + number
            self._progress(f"{job.name}: {describe(total)}")
        return {what: number for what, number in total.items() if number}

    def _say(self, name: str, did: Counts, verb: str = "done") -> None:
        self._progress.end()
        self.stdout.write(f"{name}: {describe(did)} {verb}")
        self.stdout.flush()
