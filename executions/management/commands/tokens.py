"""`manage.py tokens`: creates, lists and revokes the tokens of workers."""

import sys
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from executions.access import as_uuid
from executions.api.worker_tokens import create_token, revoke_token
from executions.models import Graph, WorkerToken

MAX_DAYS = 3_650


class Command(BaseCommand):
    help = (
        "Makes, lists and revokes the tokens with which workers report over HTTP. A token is printed once, when it is "
        "made; the database keeps its SHA-256 only. Whoever has one can report the executions of that worker, and make "
        "new ones within its scope. It neither acts as a user nor opens sockets."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="create | list | revoke")
        create = verbs.add_parser("create", help="make a token and print it, once")
        create.add_argument("name", help="the worker's; its executions have the runner worker:NAME")
        create.add_argument("--all", action="store_true", help="it may start runs for all users, of their own graphs")
        create.add_argument("--user", action="append", metavar="NAME", help="only for this user; may be repeated")
        create.add_argument(
            "--graph",
            action="append",
            metavar="ID",
            help="only of this graph, for users who may see it; may be repeated; with --user only for these",
        )
        create.add_argument("--days", type=int, help="it expires after so many days (default: never)")
        verbs.add_parser("list", help="all tokens: name, scope, created, last used, expires; never the tokens")
        revoke = verbs.add_parser("revoke", help="refuse a token from now on")
        revoke.add_argument("name", help="the name that it was made with")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        {"create": self._create, "list": self._list, "revoke": self._revoke}[verb](options)

    def _create(self, options: dict[str, Any]) -> None:
        days = options["days"]
        if days is not None and not 1 <= days <= MAX_DAYS:
            raise CommandError(f"--days must be from 1 to {MAX_DAYS}.")
        users, graphs = self._scope(options)
        try:
            expires_at = timezone.now() + timedelta(days=days) if days else None
            _, secret = create_token(options["name"], expires_at, users=users, graphs=graphs)
        except ValueError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(secret)
        self.stderr.write("Keep it: it cannot be shown again. Send it as `Authorization: Bearer TOKEN`.")

    def _scope(self, options: dict[str, Any]) -> tuple[list[Any] | None, list[Graph] | None]:
        """The users and the graphs; None is all. Asks on a terminal if no option says it."""
        names, ids, is_all = options["user"] or [], options["graph"] or [], options["all"]
        if is_all and (names or ids):
            raise CommandError("--all goes neither with --user nor with --graph.")
        if not (is_all or names or ids):
            if not sys.stdin.isatty():
                raise CommandError("For whom may it start runs? Say --user NAME, --graph ID, or --all.")
            names = _words(input("For which users may it start runs? (names; empty for all) "))
            ids = _words(input("Of which graphs? (ids; empty for the users' own) "))
        return (_find_users(names) if names else None), (_find_graphs(ids) if ids else None)

    def _list(self, options: dict[str, Any]) -> None:
        rows: list[tuple[str, ...]] = [("name", "may start runs for", "created", "last used", "expires", "revoked")]
        for token in WorkerToken.objects.order_by("created_at").prefetch_related("users", "graphs"):
            times = (token.created_at, token.last_used_at, token.expires_at, token.revoked_at)
            rows.append((token.name, token.scope, *(f"{each:%Y-%m-%d %H:%M}" if each else "-" for each in times)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            self.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def _revoke(self, options: dict[str, Any]) -> None:
        if not revoke_token(options["name"]):
            raise CommandError(f"There is no token “{options['name']}”, or it is revoked already. See `tokens list`.")
        self.stdout.write(f"The token “{options['name']}” is refused from now on.")


def _words(line: str) -> list[str]:
    return line.replace(",", " ").split()


def _find_users(names: list[str]) -> list[Any]:
    manager = get_user_model()._default_manager
    found = [manager.filter(**{get_user_model().USERNAME_FIELD: name}).first() for name in names]
    return _all_found(names, found, "user")


def _find_graphs(ids: list[str]) -> list[Graph]:
    return _all_found(ids, [Graph.objects.filter(pk__in=[as_uuid(id)]).first() for id in ids], "graph")


def _all_found(wanted: list[str], found: list[Any], what: str) -> list[Any]:
    for word, each in zip(wanted, found, strict=True):
        if each is None:
            raise CommandError(f"There is no {what} {word}.")
    return found
