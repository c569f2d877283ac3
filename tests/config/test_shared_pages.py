"""How often one address may read shared pages."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from executions.models import Graph
from executions.services import start_execution
from tests.realtime.conftest import Counted

pytestmark = pytest.mark.django_db

TOKEN = "a-token_of-twenty-two-"


@pytest.fixture(autouse=True)
def _budget(settings: Settings, user: User) -> None:
    settings.REALTIME = {"SHARED_READS": 3, "API_WINDOW": 86_400}  # no window ends during a test
    graph = Graph.objects.create(owner=user, name="A graph")
    start_execution(graph, user=user, is_shared=True, share_token=TOKEN)


def status(path: str, address: str = "192.0.2.1") -> int:
    return Client().get(path, REMOTE_ADDR=address).status_code


def test_pages_fragments_and_wrong_links_of_an_address_share_a_budget(
    django_assert_num_queries: Any,
) -> None:
    counted = Counted()
    paths = (f"/shared/{TOKEN}/", f"/shared/{TOKEN}/results/", "/shared/wrong/")
    assert [status(path) for path in paths] == [200, 200, 404]
    with django_assert_num_queries(0):
        response = Client().get(paths[0], REMOTE_ADDR="192.0.2.1")
    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= 86_400
    assert "REALTIME[&quot;SHARED_READS&quot;]" in response.content.decode()
    assert counted["throttled_shares"] == 1
    assert status(paths[0], "192.0.2.2") == 200
    assert status("/login/") == 200


def test_this_machine_has_no_budget_and_0_is_none(settings: Settings) -> None:
    assert {status(f"/shared/{TOKEN}/", "127.0.0.1") for _ in range(5)} == {200}
    settings.REALTIME = {"SHARED_READS": 0}
    assert {status(f"/shared/{TOKEN}/") for _ in range(5)} == {200}
