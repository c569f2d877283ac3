"""A saved graph can be run, and each version has one definition."""

import threading
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import serializers
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from executions.models import Graph
from executions.storable import UnstorableValue
from tests.executions.conftest import (
    LINKS,
    NODES,
    InThread,
    Received,
    Statements,
    wait_for_blocked_transaction,
)

pytestmark = pytest.mark.django_db

ONE = [{"id": "only", "block_id": "text.sentences"}]


def test_a_new_graph_has_version_1_and_sends_no_signal(user: User, received: Received) -> None:
    graph = Graph.objects.create(owner=user, name="Text insight", nodes=NODES, links=LINKS)
    graph.refresh_from_db()
    assert (graph.version, graph.definition) == (1, {"nodes": NODES, "links": LINKS})
    assert str(graph) == "Text insight"
    assert received == []


@pytest.mark.parametrize("fields", [None, ["nodes", "links"], {"nodes", "links", "name"}])
def test_a_change_of_nodes_or_links_raises_the_version(graph: Graph, fields: Any) -> None:
    graph.nodes, graph.links = ONE, []
    graph.save(update_fields=fields)
    assert graph.version == 2
    graph.refresh_from_db()
    assert (graph.version, graph.nodes) == (2, ONE)
    graph.save()
    assert Graph.objects.get().version == 2


def test_a_change_of_the_name_does_not_raise_the_version(graph: Graph, statements: Statements) -> None:
    graph.name = "Renamed"
    graph.save()
    with statements:
        graph.save(update_fields=["name"])
    assert statements.verbs == ["UPDATE"]
    graph.refresh_from_db()
    assert (graph.name, graph.version) == ("Renamed", 1)


def test_a_stale_instance_increments_the_version_in_the_database(graph: Graph) -> None:
    stale = Graph.objects.get()
    graph.links = []
    graph.save()
    stale.name = "Renamed"
    stale.save()  # a full save writes the old links again
    assert stale.version == 3
    assert Graph.objects.get().links == LINKS
    graph.version = 77
    graph.links = LINKS
    graph.save()
    assert graph.version == 3


def test_an_equal_definition_does_not_change_the_version(graph: Graph) -> None:
    graph.nodes = tuple(dict(node) for node in NODES)  # the same JSON
    graph.save()
    assert graph.nodes == NODES
    assert Graph.objects.get().version == 1


@pytest.mark.parametrize(
    ("nodes", "links", "message"),
    [
        ([{"id": "a"}], [], "nodes[0].block_id"),
        ([*ONE, *ONE], [], "nodes[1].id"),
        (ONE, [{**LINKS[0], "sink_id": "nobody"}], "links[0].source_id"),
        (NODES, [*LINKS, {**LINKS[0], "source_id": "rank", "sink_id": "split"}], "links"),
        ({"id": "a"}, [], "nodes"),
        (None, [], "nodes"),
    ],
)
def test_an_invalid_definition_is_refused_with_its_path(graph: Graph, nodes: Any, links: Any, message: str) -> None:
    graph.nodes, graph.links = nodes, links
    for attempt in (graph.save, graph.full_clean, lambda: graph.save(update_fields=["nodes", "links"])):
        with pytest.raises(ValidationError) as caught, transaction.atomic():
            attempt()
        assert any(each.startswith(message) for each in caught.value.messages)
    with pytest.raises(ValidationError):
        Graph.objects.create(owner=graph.owner, name="x", nodes=nodes, links=links)
    unchanged = Graph.objects.get()
    assert (unchanged.version, unchanged.nodes, graph.version) == (1, NODES, 1)


def test_new_nodes_are_checked_with_the_stored_links(graph: Graph) -> None:
    graph.nodes = ONE
    graph.links = []
    with transaction.atomic():
        with pytest.raises(ValidationError, match="there is no node"):
            graph.save(update_fields=["nodes"])  # the links in the database need the nodes that this save removes
        graph.save(update_fields=["links"])
    graph.save(update_fields=["nodes"])
    assert Graph.objects.get().version == 3


def test_a_graph_refuses_values_that_json_cannot_hold(graph: Graph) -> None:
    graph.nodes = [{**ONE[0], "input_default": {"x": float("nan")}}]
    graph.links = []
    with pytest.raises(UnstorableValue, match=r"nodes\[0\].input_default.x holds NaN"):
        graph.save()


def test_a_deferred_graph_is_saved_without_its_definition(graph: Graph) -> None:
    part = Graph.objects.only("name").get()
    part.name = "Renamed"
    part.save()
    assert Graph.objects.get().version == 1


def test_a_fixture_of_a_graph_is_saved_unchecked(graph: Graph) -> None:
    graph.nodes, graph.version = [{"id": "no block"}], 9
    for each in serializers.deserialize("json", serializers.serialize("json", [graph])):
        each.save()
    assert Graph.objects.get().version == 9


def test_the_database_accepts_only_versions_above_0(graph: Graph) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Graph.objects.update(version=0)


@pytest.mark.django_db(transaction=True)
def test_two_concurrent_changes_are_two_versions(graph: Graph, in_thread: InThread) -> None:
    first, second = Graph.objects.get(), Graph.objects.get()
    first.links, second.nodes, second.links = [], ONE, []
    is_written, may_commit = threading.Event(), threading.Event()

    def write() -> None:
        with transaction.atomic():
            first.save()
            is_written.set()
            may_commit.wait(30)

    writing = in_thread(write)
    assert is_written.wait(30)
    waiting = in_thread(second.save)
    wait_for_blocked_transaction()
    may_commit.set()
    writing.result(30)
    waiting.result(30)
    assert (first.version, second.version, Graph.objects.get().version) == (2, 3, 3)


def test_nodes_and_links_are_only_changed_by_save(graph: Graph, received: Received) -> None:
    for name in ("nodes", "links"):
        with pytest.raises(ValueError, match=rf"{name}: only save\(\) changes them"):
            Graph.objects.update(**{name: []})
        with pytest.raises(ValueError, match=rf"{name}: only save\(\) changes them"):
            Graph.objects.bulk_update([graph], ["name", name])
    graph.name = "Renamed"
    Graph.objects.bulk_update([graph], ["name"])
    assert Graph.objects.filter(name="Renamed").update(name="Again") == 1
    assert Graph.objects.get().version == 1


def test_bulk_create_checks_graphs(user: User) -> None:
    good = Graph(owner=user, name="good", nodes=NODES)
    with pytest.raises(ValidationError, match=r"nodes\[0\].block_id"):
        Graph.objects.bulk_create([good, Graph(owner=user, name="bad", nodes=[{"id": "x"}])])
    assert not Graph.objects.exists()
    Graph.objects.bulk_create([good])
    assert Graph.objects.get().nodes == NODES
