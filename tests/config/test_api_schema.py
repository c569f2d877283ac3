"""Generated valid and invalid requests: each answer matches the description of the API, and none is a server error. The
requests are the same in each run."""

from datetime import timedelta
from typing import Any

import hypothesis
import pytest
from django.contrib.auth.models import User
from django.core.wsgi import get_wsgi_application

from executions.api.worker_tokens import create_token
from executions.models import Graph, GraphExecution, NodeExecution, Notification
from realtime.auth.jwt import SOCKET_SCOPE, issue_token

schemathesis = pytest.importorskip("schemathesis", reason="pip install -r requirements-dev.txt")

from schemathesis.config import SchemathesisConfig  # noqa: E402 - only where it is installed

EXAMPLES = 6  # of each operation, right and wrong ones
CONFIG = SchemathesisConfig.from_dict(
    {
        "seed": 20,
        "generation": {"deterministic": True, "no-shrink": True},
        "phases": {"coverage": {"enabled": False}},  # hundreds of requests an operation, which take minutes
    }
)
schema = schemathesis.openapi.from_wsgi("/api/openapi.json", get_wsgi_application(), config=CONFIG)


@pytest.fixture
def known(transactional_db: None, user: User) -> dict[str, str]:
    """Ids that exist, by the name of the parameter."""
    nodes = [{"id": "split", "block_id": "text.sentences"}]
    graph = Graph.objects.create(owner=user, name="Text", nodes=nodes)
    execution = GraphExecution.objects.create(graph=graph, user=user, inputs={"text": "One."})
    NodeExecution.objects.create(graph_execution=execution, node_id="split", status="RUNNING")
    notification = Notification.objects.create(user=user, type="info", event="hey")
    return {
        "graph_id": str(graph.pk),
        "execution_id": str(execution.pk),
        "notification_id": str(notification.pk),
    }


@pytest.fixture
def tokens(user: User) -> dict[str, str]:
    """A token for each security scheme."""
    hour = timedelta(hours=1)
    return {
        "UserBearer": issue_token(user.pk, hour),
        "SocketBearer": issue_token(user.pk, hour, scope=SOCKET_SCOPE),
        "WorkerBearer": create_token("press")[1],
    }


@schema.parametrize()
@hypothesis.settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_every_operation_answers_as_described(case: Any, known: dict[str, str], tokens: dict[str, str]) -> None:
    for name in known.keys() & (case.path_parameters or {}).keys():
        if case.meta is None or case.meta.generation.mode.is_positive:
            case.path_parameters[name] = known[name]
    scheme = next(iter(case.operation.definition.raw["security"][0]))
    # A cursor, an epoch, a cycle: not all that is wrong can be said in a schema.
    may_be_refused = [schemathesis.checks.CHECKS.get_one("positive_data_acceptance")]
    headers = {"Authorization": f"Bearer {tokens[scheme]}"}
    case.call_and_validate(headers=headers, excluded_checks=may_be_refused)
