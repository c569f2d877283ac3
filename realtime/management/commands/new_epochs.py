"""`manage.py new_epochs [KEY ...]`: makes all cursors invalid. A restored backup does not have the newest events, so
cursors that point to them are wrong."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from realtime.log.epochs import renew_in_batches
from realtime.management.progress import ProgressLine
from realtime.models import Stream

WARNING = (
    "Each stream gets a new epoch: every client learns that its history is over (recovered: false) and gets a "
    "snapshot.\nThis is right after a backup was restored, because numbers that clients have seen will be given to "
    "other events.\nAt any other time it only causes load. Nothing is removed."
)


class Command(BaseCommand):
    help = (
        "Gives every stream a new epoch. For use after a backup of the database was restored: clients may have numbers "
        "that the backup does not have, and would miss new events with these numbers. With keys, renews only these "
        "streams, after a repair as described by check_streams. The sweep notifies open sockets."
    )
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key", nargs="*", help="the key of a stream (default: all streams)")
        parser.add_argument(
            "--yes", "--no-input", "--noinput", action="store_true", dest="is_sure", help="do not ask for confirmation"
        )

    def handle(self, *args: Any, key: list[str], is_sure: bool, **options: Any) -> None:
        keys = sorted(set(key))
        found = set(Stream.objects.filter(key__in=keys).values_list("key", flat=True))
        if unknown := set(keys) - found:
            raise CommandError(f"There is no stream {', '.join(sorted(unknown))}.")
        total = len(keys) or Stream.objects.count()
        if not is_sure:
            self.stdout.write(f"{WARNING}\nThere are {total:,} streams.")
            self._confirm()
        progress, done = ProgressLine(self.stderr), 0
        try:
            for count in renew_in_batches(keys):
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
            raise CommandError("Nothing was changed. Without a terminal, use --yes.")
