"""`manage.py graphs`: creates and lists graphs for external engines, without the admin."""

from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from executions.bounded_json import NotJSON, parse_json
from executions.conf import limits
from executions.models import Graph


class Command(BaseCommand):
    help = "Makes a user's graph from a file and prints its id, or lists graphs with their ids."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="create | list")
        create = verbs.add_parser("create", help="make a graph and print its id; the same one again where it is there")
        create.add_argument("owner", help="the username")
        create.add_argument("file", help="JSON: name, description, nodes and links, as in examples/")
        listed = verbs.add_parser("list", help="id, owner and name of each graph")
        listed.add_argument("--owner", help="only this user's")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        {"create": self._create, "list": self._list}[verb](options)

    def _create(self, options: dict[str, Any]) -> None:
        data = _read(options["file"])
        graph = Graph(owner=_find_user(options["owner"]), **data)
        try:
            graph.full_clean()
        except ValidationError as error:
            raise CommandError(f"{options['file']}: {'; '.join(error.messages)}") from None
        found = Graph.objects.filter(owner=graph.owner, **data).order_by("created_at").first()
        if found is None:
            graph.save()
        self.stdout.write(str((found or graph).pk))

    def _list(self, options: dict[str, Any]) -> None:
        graphs = Graph.objects.select_related("owner").order_by("owner__username", "name", "created_at")
        if options["owner"]:
            graphs = graphs.filter(owner=_find_user(options["owner"]))
        for graph in graphs.only("name", "owner__username").iterator():
            self.stdout.write(f"{graph.pk}  {graph.owner.get_username()}  {graph.name}")


def _find_user(name: str) -> User:
    user = User.objects.filter(username=name).first()
    if user is None:
        raise CommandError(f"There is no account {name}.")
    return user


_FIELDS = {"name": str, "description": str, "nodes": list, "links": list}


def _read(file: str) -> dict[str, Any]:
    try:
        with Path(file).open("rb") as opened:
            content = opened.read(limits.MAX_BODY_BYTES + 1)
        if len(content) > limits.MAX_BODY_BYTES:
            raise CommandError(f"{file} is above {limits.MAX_BODY_BYTES:,} bytes.")
        data = parse_json(content)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.") from None
    except NotJSON as error:
        raise CommandError(f"{file} is not JSON in UTF-8. {error}") from None
    if not isinstance(data, dict) or not {"name", "nodes"} <= data.keys() <= _FIELDS.keys():
        raise CommandError(f"{file} must be an object with name and nodes; it may have description and links.")
    for name, value in data.items():
        if not isinstance(value, _FIELDS[name]):
            raise CommandError(f"{file}: {name} must be a {'list' if _FIELDS[name] is list else 'text'}.")
    return data
