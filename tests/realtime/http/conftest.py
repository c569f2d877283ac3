"""A client of a user, and an execution of that user."""

import pytest
from django.contrib.auth.models import User

from executions.models import Graph, GraphExecution
from executions.services import start_execution
from tests.executions.api.conftest import ApiClient, client_of


@pytest.fixture
def person(user: User) -> ApiClient:
    return client_of(user)


@pytest.fixture
def execution(transactional_db: None, user: User) -> GraphExecution:
    graph = Graph.objects.create(owner=user, name="Text", nodes=[{"id": "split", "block_id": "text.sentences"}])
    return start_execution(graph, user=user, inputs={"text": "One."})
