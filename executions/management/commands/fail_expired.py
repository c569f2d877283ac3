"""`manage.py fail_expired`: fails the executions whose lease has expired."""

import sys
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections

from executions.leases import fail_expired


class Command(BaseCommand):
    help = (
        "Ends the executions whose worker, or embedded runner, let its lease pass: they become FAILED. Once, for a "
        "timer of the system, or again and again with --every. Any number of these may run. Reports of other workers, "
        "and the embedded runner, look for them as well; this is for when all are silent."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--every", type=float, metavar="SECONDS", help="do it again after so long, until stopped")

    def handle(self, *args: Any, every: float | None, **options: Any) -> None:
        if every is not None and not 0 < every <= 3_600:
            raise CommandError("--every must be above 0, and an hour at most.")
        try:
            self._repeat(every)
        except KeyboardInterrupt:
            self.stderr.write("Stopped. Each execution was given up wholly or not at all.")
            sys.exit(130)  # the exit code of shells for Ctrl-C

    def _repeat(self, every: float | None) -> None:
        while True:
            if count := fail_expired():
                self.stdout.write(f"{count} given up.")
                self.stdout.flush()
            if every is None:
                return
            close_old_connections()
            time.sleep(every)
