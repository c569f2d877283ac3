"""`manage.py prune_events --older-than 7d`: removes old events, of all streams. The housekeeping does it by itself, by
the kind of stream, and leaves running executions whole."""

import argparse
import sys
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from realtime import ages
from realtime.log.retention import prune_in_batches, streams_with_old_events
from realtime.management.progress import ProgressLine

_PAGE = 1_000  # ids of streams that are in memory at the same time


def parse_age(text: str) -> timedelta:
    """As `ages.parse_age`, for a command line."""
    try:
        return ages.parse_age(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


class Command(BaseCommand):
    help = (
        "Removes events that are older than the given age. The newest event of each execution, node and notification "
        "stays, so that snapshots stay complete. A client with a cursor before the oldest remaining event gets a "
        "snapshot. Works in short transactions: it may run beside servers and workers, and Ctrl-C keeps what is done."
    )
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--older-than", type=parse_age, required=True, metavar="AGE", help="for example 7d, 12h, 30m or 90s"
        )
        parser.add_argument("--dry-run", action="store_true", help="change nothing; only say how many events would go")

    def handle(self, *args: Any, older_than: timedelta, dry_run: bool, **options: Any) -> None:
        cutoff = timezone.now() - older_than
        streams = streams_with_old_events(cutoff)
        total, done, removed, last_id = streams.count(), 0, 0, 0
        verb = "would go" if dry_run else "removed"
        progress = ProgressLine(self.stderr)
        try:
            while ids := list(streams.filter(pk__gt=last_id).values_list("pk", flat=True)[:_PAGE]):
                for last_id in ids:
                    for count in prune_in_batches(last_id, cutoff, is_dry_run=dry_run):
                        removed += count
                        progress(f"{done:,} of {total:,} streams, {removed:,} events {verb}")
                    done += 1
        except KeyboardInterrupt:
            progress.end()
            self.stderr.write(f"Stopped. {done:,} of {total:,} streams are done; {removed:,} events {verb}.")
            sys.exit(130)  # the exit code of a program that Ctrl-C has ended
        progress.end()
        self.stdout.write(f"{done:,} streams had old events; {removed:,} events {verb}.")
