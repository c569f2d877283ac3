"""Nodes are loaded with their data up to a number of bytes."""

import pytest
from pytest_django import Settings

from executions.models import GraphExecution, NodeExecution
from executions.node_data import load_within

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def small_answers(settings: Settings) -> None:
    settings.EXECUTIONS = {"MAX_ANSWER_BYTES": 10_000}


def add_nodes(execution: GraphExecution, *sizes: int) -> None:
    for number, size in enumerate(sizes):
        half = "x" * (size // 2)
        NodeExecution.objects.create(
            graph_execution=execution, node_id=str(number), input_data={"a": half}, output_data={"b": [half]}
        )


def loaded(execution: GraphExecution) -> tuple[list[str], bool]:
    rows, is_cut = load_within(execution.node_executions.order_by("add_time", "pk"))
    return [row.node_id for row in rows], is_cut


def test_all_nodes_are_loaded_if_there_is_room(execution: GraphExecution) -> None:
    add_nodes(execution, 2_000, 2_000, 2_000)
    assert loaded(execution) == (["0", "1", "2"], False)


def test_the_rest_is_left_out(execution: GraphExecution) -> None:
    add_nodes(execution, 4_000, 4_000, 4_000, 10)
    assert loaded(execution) == (["0", "1"], True)


def test_one_node_is_loaded_whatever_its_size(execution: GraphExecution) -> None:
    add_nodes(execution, 50_000, 10)
    assert loaded(execution) == (["0"], True)


def test_nothing_is_loaded_of_nothing(execution: GraphExecution) -> None:
    assert loaded(execution) == ([], False)
