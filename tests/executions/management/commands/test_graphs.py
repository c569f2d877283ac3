"""`manage.py graphs`."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from executions.models import Graph

EXAMPLES = Path(__file__).resolve().parents[4] / "examples"


def run(*words: object) -> str:
    out = StringIO()
    call_command("graphs", *map(str, words), stdout=out, stderr=StringIO())
    return out.getvalue()


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.json")), ids=lambda file: file.name)
def test_an_example_graph_is_created_once_and_listed(user: User, other_user: User, file: Path) -> None:
    id = run("create", "user", file).strip()

    assert run("create", "user", file).strip() == id
    graph = Graph.objects.get()
    assert (str(graph.pk), graph.owner, graph.name) == (id, user, json.loads(file.read_text())["name"])
    assert run("create", "other_user", file).strip() != id
    assert run("list", "--owner", "user") == f"{id}  user  {graph.name}\n"
    assert len(run("list").splitlines()) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is not JSON"),
        (b"\xff", "is not JSON in UTF-8"),
        ([], "must be an object"),
        (b"[" * 10_000, "nests deeper than 400 levels"),
        (b"[" + b"{}," * 100_000 + b"{}]", "more than 100,000 values"),
        (b" " * 3_000_000, "is above 2,097,152 bytes"),
        ({"name": "No nodes"}, "must be an object with name and nodes"),
        ({"name": "Much", "nodes": [], "owner": 1}, "must be an object"),
        ({"name": 1, "nodes": []}, "name must be a text"),
        ({"name": "N", "nodes": {}}, "nodes must be a list"),
        ({"name": "N" * 201, "nodes": []}, "name holds 201 characters"),
        (
            {
                "name": "N",
                "nodes": [{"id": "a", "block_id": "b"}],
                "links": [{"source_id": "a", "source_name": "x", "sink_id": "c", "sink_name": "y"}],
            },
            r"links\[0\].sink_id: there is no node",
        ),
    ],
)
def test_an_invalid_file_is_refused(user: User, tmp_path: Path, content: Any, message: str) -> None:
    file = tmp_path / "graph.json"
    file.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())

    with pytest.raises(CommandError, match=message):
        run("create", "user", file)

    assert not Graph.objects.exists()


def test_an_unknown_account_or_file_is_refused(user: User, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="There is no account nobody"):
        run("create", "nobody", EXAMPLES / "word_counts.json")
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        run("create", "user", tmp_path / "none.json")
