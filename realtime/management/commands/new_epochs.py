"""`manage.py new_epochs`: after a restored backup, no client may go on from a cursor of the lost future."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from realtime.epochs import renew_in_batches
from realtime.management.progress import Progress
from realtime.models import Stream

WARNING = (
    "Every stream gets a new epoch: each client is told that its history is over (recovered: false) and gets a "
    "snapshot.\nThat is right after a backup was restored, because numbers that clients have seen will be given again, "
    "to other events.\nAt any other time it is needless load. Nothing is removed."
)


class Command(BaseCommand):
    help = (
        "Gives every stream a new epoch, after a backup of the database was restored. Clients that were ahead of the "
        "backup would otherwise wait for numbers that they believe to have. Open sockets learn of it by the sweep."
    )
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--yes", "--no-input", "--noinput", action="store_true", dest="is_sure", help="do not ask for confirmation"
        )

    def handle(self, *args: Any, is_sure: bool, **options: Any) -> None:
        total = Stream.objects.count()
        if not is_sure:
            self.stdout.write(f"{WARNING}\nThere are {total:,} streams.")
            self._confirm()
        progress, done = Progress(self.stderr), 0
        try:
            for count in renew_in_batches():
                done += count
                progress(f"{done:,} of {total:,} streams")
        except KeyboardInterrupt:
            progress.end()
            self.stderr.write(f"Stopped after {done:,} of {total:,} streams. Run it again: each must get a new epoch.")
            sys.exit(130)
        progress.end()
        self.stdout.write(f"{done:,} streams have a new epoch.")

    def _confirm(self) -> None:
        try:
            answer = input("Type yes to go on: ")
        except (EOFError, KeyboardInterrupt):
            answer = ""
        if answer.strip().lower() != "yes":
            raise CommandError("Nothing was changed. Where nobody can answer, use --yes.")
