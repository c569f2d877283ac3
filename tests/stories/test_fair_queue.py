"""Two users in one server process: one floods the queue, and the other's short run ends soon."""

import pytest
from django.contrib.auth.models import User

from executions.models import GraphExecution
from executions.samples import CODEBASE_CENSUS, make_sample, make_text_insight
from executions.services import start_execution
from tests.conftest import StartWebServer

FLOOD = 1_000


@pytest.fixture
def flood(user: User) -> list[GraphExecution]:
    """Far more runs than the cap allows, of the graph that takes longest."""
    graph, _ = make_sample(CODEBASE_CENSUS, user)
    more = {"user": user, "graph": graph, "definition": graph.definition, "inputs": {"folder": "."}}
    return list(
        GraphExecution.objects.bulk_create(
            GraphExecution(**more, status="QUEUED", runner="embedded") for _ in range(FLOOD)
        )
    )


def test_a_short_run_ends_before_the_third_of_a_thousand_of_another_user(
    flood: list[GraphExecution], other_user: User, web_server: StartWebServer
) -> None:
    graph, _ = make_text_insight(other_user)
    short = start_execution(graph, user=other_user, inputs={"text": "One fox. Two foxes jump."}, runner="embedded")
    server = web_server(program="serve")

    def has_ended() -> bool:
        short.refresh_from_db()
        return short.ended_at is not None

    server.wait_until(has_ended)

    assert short.status == "COMPLETED"
    before = GraphExecution.objects.filter(user=flood[0].user, ended_at__lt=short.ended_at)
    assert before.count() < 3
    assert server.terminate() == 0
