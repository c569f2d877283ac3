"""`manage.py check_streams [KEY ...]`: is the log as it should be?"""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from realtime.log.integrity import Fault, find_overdue, inspect_streams
from realtime.management.progress import Progress
from realtime.models import Stream


class Command(BaseCommand):
    help = (
        "Looks whether every stream has what it promises: all events from its floor to its head, each with its data, "
        "and none that nobody numbers. Changes nothing, and may run beside servers and workers. "
        "Exits with 1 where something is wrong, and says what to do."
    )
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("key", nargs="*", help="look at the streams with these keys only")

    def handle(self, *args: Any, key: list[str], **options: Any) -> None:
        keys = sorted(set(key))
        streams = Stream.objects.filter(key__in=keys) if keys else Stream.objects.all()
        if unknown := set(keys) - set(streams.values_list("key", flat=True) if keys else ()):
            raise CommandError(f"There is no stream {', '.join(sorted(unknown))}.")
        total, done, wrong = streams.count(), 0, 0
        progress = Progress(self.stderr)
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

    def _report(self, faults: list[Fault], progress: Progress) -> int:
        if faults:
            progress.end()
        for fault in faults:
            self.stdout.write(f"{fault.key}: {fault.description}. What to do: {fault.remedy}.")
        return len(faults)
