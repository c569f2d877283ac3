"""Graphs over HTTP."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from pytest_django import DjangoAssertNumQueries, Settings

from executions.models import Graph, GraphExecution
from tests.executions.api.conftest import ApiClient, client_of, ok, refused
from tests.executions.conftest import LINKS

NODES = [
    {"id": "split", "block_id": "text.sentences"},
    {"id": "rank", "block_id": "insight.key_sentences"},
]  # with blocks that this server has
WANTED = {"name": "Key sentences", "nodes": NODES, "links": LINKS}


def test_a_graph_is_created_read_changed_and_deleted(person: ApiClient, user: User) -> None:
    made = ok(person.post("/graphs", WANTED), 201)
    assert (made["version"], made["owner_id"]) == (1, str(user.pk))
    path = f"/graphs/{made['id']}"
    assert ok(person.get(path)) == made
    assert [each["id"] for each in ok(person.get("/graphs"))["items"]] == [made["id"]]
    assert ok(person.put(path, {**WANTED, "name": "Renamed"}))["version"] == 1
    assert ok(person.put(path, {**WANTED, "links": []}))["version"] == 2
    ok(person.delete(path), 204)
    refused(person.get(path), 404)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"links": [{**LINKS[0], "sink_id": "x"}]}, "links[0].sink_id"),
        ({"links": [*LINKS, {**LINKS[0], "source_id": "rank", "sink_id": "split"}]}, "links"),
        ({"nodes": [NODES[0], {**NODES[1], "block_id": "no.block"}]}, "nodes[1].block_id"),
        ({"nodes": [NODES[0], NODES[0]], "links": []}, "nodes[1].id"),
        ({"nodes": [{"id": "a"}], "links": []}, "nodes[0].block_id"),
        ({"nodes": [{**NODES[0], "colour": 1}], "links": []}, "nodes[0].colour"),
        ({"name": ""}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"description": "a\x00"}, "description"),
    ],
    ids=["loose end", "cycle", "unknown block", "same id", "no block", "unknown field", "no name", "long", "NUL"],
)
def test_an_invalid_graph_names_the_path_of_the_error(person: ApiClient, change: dict[str, Any], path: str) -> None:
    assert refused(person.post("/graphs", {**WANTED, **change}), 422)["path"] == path
    assert not Graph.objects.exists()


def test_all_errors_of_a_graph_are_named(person: ApiClient) -> None:
    nodes = [{**each, "block_id": f"no.{each['id']}"} for each in NODES]
    error = refused(person.post("/graphs", {**WANTED, "nodes": nodes}), 422)
    assert error["code"] == "unknown_block"
    assert 'nodes[1].block_id: there is no block "no.rank"' in error["message"]


def test_a_graph_for_another_engine_may_have_unknown_blocks(person: ApiClient) -> None:
    nodes = [{"id": "press", "block_id": "acme.press"}]
    ok(person.post("/graphs", {"name": "Press", "nodes": nodes, "check_blocks": False}), 201)


def test_a_graph_of_another_user_is_not_found(stranger: ApiClient, graph: Graph) -> None:
    path = f"/graphs/{graph.pk}"
    nowhere = refused(stranger.get(f"/graphs/{uuid4()}"), 404)
    assert refused(stranger.get(path), 404) == nowhere
    assert refused(stranger.put(path, WANTED), 404) == nowhere
    assert refused(stranger.delete(path), 404) == nowhere
    assert ok(stranger.get("/graphs"))["items"] == []


def test_staff_with_only_view_permission_cannot_change_a_graph(graph: Graph, other_user: User) -> None:
    other_user.is_staff = True
    other_user.save()
    other_user.user_permissions.add(Permission.objects.get(codename="view_graph"))
    staff = client_of(other_user)
    assert ok(staff.get(f"/graphs/{graph.pk}"))["id"] == str(graph.pk)
    assert refused(staff.put(f"/graphs/{graph.pk}", WANTED), 403)["code"] == "forbidden"
    refused(staff.delete(f"/graphs/{graph.pk}"), 403)


def test_deleting_a_graph_deletes_its_executions(person: ApiClient, execution: GraphExecution) -> None:
    ok(person.delete(f"/graphs/{execution.graph_id}"), 204)
    assert not GraphExecution.objects.exists()


def test_a_longer_list_takes_no_more_queries(
    person: ApiClient, user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for index in range(9):
        Graph.objects.create(owner=user, name=f"{index}", nodes=NODES, links=LINKS)
    with django_assert_num_queries(3):  # session, user, page
        assert len(ok(person.get("/graphs"))["items"]) == 9


def test_a_user_has_a_limited_number_of_graphs(person: ApiClient, other_user: User, settings: Settings) -> None:
    settings.EXECUTIONS = {"MAX_GRAPHS_OF_USER": 2}
    made = [ok(person.post("/graphs", WANTED), 201)["id"] for _ in range(2)]
    error = refused(person.post("/graphs", WANTED), 409)
    assert error["code"] == "too_many_graphs"
    assert "MAX_GRAPHS_OF_USER" in error["message"]
    ok(client_of(other_user).post("/graphs", WANTED), 201)
    ok(person.delete(f"/graphs/{made[0]}"), 204)
    ok(person.post("/graphs", WANTED), 201)


def test_the_graphs_of_a_user_have_a_limited_size(person: ApiClient, other_user: User, settings: Settings) -> None:
    settings.EXECUTIONS = {"MAX_GRAPH_BYTES_OF_USER": 20_000}
    node = {"id": "a", "block_id": "text.upper", "input_default": {"text": "x" * 12_000}}
    large = {"name": "Large", "nodes": [node], "links": [], "check_blocks": False}
    first = ok(person.post("/graphs", large), 201)["id"]
    for error in (
        refused(person.post("/graphs", large), 409),
        refused(person.put(f"/graphs/{first}", {**large, "nodes": [node, {**node, "id": "b"}]}), 409),
    ):
        assert error["code"] == "graphs_too_large"
        assert "MAX_GRAPH_BYTES_OF_USER" in error["message"]
    ok(client_of(other_user).post("/graphs", large), 201)
    ok(person.put(f"/graphs/{first}", {**large, "name": "Still large"}))
    ok(person.delete(f"/graphs/{first}"), 204)
    ok(person.post("/graphs", large), 201)
