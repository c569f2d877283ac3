"""`manage.py prune_events --older-than 7d`: removes old events. Run it by a timer, as in docs/operations.md."""

import argparse
import re
import sys
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from realtime.log.retention import prune_in_batches, streams_with_old_events
from realtime.management.progress import ProgressLine

UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_PAGE = 1_000  # ids of streams that are in memory at the same time


def parse_age(text: str) -> timedelta:
    """Parses 7d, 12h, 30m or 90s. Raises ArgumentTypeError for anything else, for 0 and for an age before year 1."""
    match = re.fullmatch(r"([0-9]{1,9})([dhms])", text)
    try:
        age = timedelta(**{UNITS[match[2]]: int(match[1])}) if match else None
        if age and timezone.now() - age:
            return age
    except OverflowError:
        pass
    raise argparse.ArgumentTypeError(
        f"{text!r} is no age. Write a whole number, above 0, and a unit: 7d, 12h, 30m or 90s."
    )


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
