"""`manage.py tokens`: creates, lists and revokes the tokens of workers."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from executions.api.worker_tokens import create_token, revoke_token
from executions.models import WorkerToken

MAX_DAYS = 3_650


class Command(BaseCommand):
    help = (
        "Makes, lists and revokes the tokens with which workers report over HTTP. A token is printed once, when it is "
        "made; the database keeps its SHA-256 only. Whoever has one can report the executions of that worker, and make "
        "new ones for any user. It neither acts as a user nor opens sockets."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="create | list | revoke")
        create = verbs.add_parser("create", help="make a token and print it, once")
        create.add_argument("name", help="the worker's; its executions have the runner worker:NAME")
        create.add_argument("--days", type=int, help="it expires after so many days (default: never)")
        verbs.add_parser("list", help="all tokens: name, created, last used, expires; never the tokens themselves")
        revoke = verbs.add_parser("revoke", help="refuse a token from now on")
        revoke.add_argument("name", help="the name that it was made with")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        {"create": self._create, "list": self._list, "revoke": self._revoke}[verb](options)

    def _create(self, options: dict[str, Any]) -> None:
        days = options["days"]
        if days is not None and not 1 <= days <= MAX_DAYS:
            raise CommandError(f"--days must be from 1 to {MAX_DAYS}.")
        try:
            _, secret = create_token(options["name"], days and timezone.now() + timedelta(days=days))
        except ValueError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(secret)
        self.stderr.write("Keep it: it cannot be shown again. Send it as `Authorization: Bearer TOKEN`.")

    def _list(self, options: dict[str, Any]) -> None:
        rows: list[tuple[str, ...]] = [("name", "created", "last used", "expires", "revoked")]
        for token in WorkerToken.objects.order_by("created_at"):
            times = (token.created_at, token.last_used_at, token.expires_at, token.revoked_at)
            rows.append((token.name, *(f"{each:%Y-%m-%d %H:%M}" if each else "-" for each in times)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            self.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def _revoke(self, options: dict[str, Any]) -> None:
        if not revoke_token(options["name"]):
            raise CommandError(f"There is no token “{options['name']}”, or it is revoked already. See `tokens list`.")
        self.stdout.write(f"The token “{options['name']}” is refused from now on.")
