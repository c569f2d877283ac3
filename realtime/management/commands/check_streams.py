"""`manage.py check_streams [KEY ...]`: verifies the log."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from realtime.log.integrity import Fault, find_overdue, inspect_streams
from realtime.management.progress import ProgressLine
from realtime.models import Stream


class Command(BaseCommand):
    help = (
        "Checks that every stream has all events from its floor to its head, each with its data, and that all events "
        "are numbered. Changes nothing, and may run beside servers and workers. "
        "If something is wrong, it says what to do and exits with 1."
    )
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key", nargs="*", help="check only the streams with these keys")

    def handle(self, *args: Any, key: list[str], **options: Any) -> None:
        keys = sorted(set(key))
        streams = Stream.objects.filter(key__in=keys) if keys else Stream.objects.all()
        if unknown := set(keys) - set(streams.values_list("key", flat=True) if keys else ()):
            raise CommandError(f"There is no stream {', '.join(sorted(unknown))}.")
        total, done, wrong = streams.count(), 0, 0
        progress = ProgressLine(self.stderr)
        try:
            for count, faults in inspect_streams(keys):
                done += count
                wrong += self._report(faults, progress)
                progress(f"{done:,} of {total:,} streams, {wrong:,} faults")
            wrong += self._report(find_overdue(keys), progress)
        except KeyboardInterrupt:
            progress.end()
            self.stderr.write(f"Stopped after {done:,} of {total:,} streams; {wrong:,} faults so far.")
            sys.exit(130)
        progress.end()
        if wrong:
            raise CommandError(f"{wrong:,} faults in {done:,} streams.")
        self.stdout.write(f"{done:,} streams are as they should be.")

    def _report(self, faults: list[Fault], progress: ProgressLine) -> int:
        if faults:
            progress.end()
        for fault in faults:
            self.stdout.write(f"{fault.key}: {fault.description}. What to do: {fault.remedy}.")
        return len(faults)
