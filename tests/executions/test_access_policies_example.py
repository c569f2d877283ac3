"""The class in docs/operations.md does what the text around it says."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.checks import run_checks
from pytest_django import Settings

from executions import access
from executions.access import Asked
from executions.models import Graph
from executions.services import start_execution
from tests.executions.api.conftest import client_of, ok, refused
from tests.executions.teams import make_graph

OPERATIONS = Path(__file__).parents[2] / "docs/operations.md"
WANTED: dict[str, Any] = {"name": "Text", "nodes": [{"id": "split", "block_id": "text.sentences"}]}


@pytest.fixture
def shop(settings: Settings) -> Iterator[None]:
    """The modules of a project that has the class."""
    (code,) = (
        each for each in re.findall(r"```python\n(.*?)```", OPERATIONS.read_text(), re.S) if "Colleagues" in each
    )
    module = ModuleType("shop.access")
    exec(code, module.__dict__)
    sys.modules["shop"], sys.modules["shop.access"] = ModuleType("shop"), module
    settings.EXECUTIONS = {"ACCESS": "shop.access.Colleagues"}
    yield
    del sys.modules["shop"], sys.modules["shop.access"]


@pytest.mark.django_db
@pytest.mark.usefixtures("shop")
def test_colleagues_see_what_is_of_their_organization() -> None:
    assert [each for each in run_checks(tags=["executions"]) if each.hint] == []
    ada, bob, eve, nobody = (
        User.objects.create(username=name, email=email)
        for name, email in {"ada": "ada@acme.org", "bob": "bob@acme.org", "eve": "eve@evil.org", "nobody": ""}.items()
    )
    made = ok(client_of(ada).post("/graphs", {**WANTED, "organization_id": "acme.org"}), 201)
    run = start_execution(Graph.objects.get(pk=made["id"]), user=ada)
    assert [bool(access.find_execution(each, run.pk)) for each in (ada, bob, eve, nobody)] == [True, True, False, False]
    asked = [Asked(each, run.pk) for each in (ada, bob, eve, nobody)]
    assert access.find_executions(asked) == [(run.pk, ada.pk)] * 2 + [None] * 2
    assert len(ok(client_of(bob).get("/executions"))["items"]) == 1
    refused(client_of(bob).delete(f"/graphs/{made['id']}"), 403)
    refused(client_of(eve).post("/graphs", {**WANTED, "organization_id": "acme.org"}), 403)
    refused(client_of(ada).post("/graphs", {**WANTED, "team_id": "1"}), 403)
    private = start_execution(make_graph(ada), user=ada)
    assert [bool(access.find_execution(each, private.pk)) for each in (ada, bob, nobody)] == [True, False, False]
