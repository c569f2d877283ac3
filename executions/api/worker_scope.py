"""For whom a worker may start runs, of which graphs, and which runs it may report.

    scope of the token     may start
    all                    a user's own graphs, for any user
    users                  these users' own graphs
    graphs                 these graphs, for any user who may see the graph
    users and graphs       these graphs, for these users if they may see the graph

So a worker has no part in the right of staff to see every graph, unless its token names the graph. A token for some
users or graphs reports only executions of these.
"""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import Q

from executions.access import find_graph
from executions.api.errors import Problem
from executions.api.worker_schemas import NewExecution
from executions.models import Graph, WorkerToken


def find_user_and_graph(token: WorkerToken, data: NewExecution) -> tuple[Any, Graph]:
    """The active user and the graph of a new execution. Raises Problem. Its text is the same whatever is missing or
    outside of the scope, so a worker cannot find out who has an account."""
    user = _find_user(token, data)
    graph = find_graph(user, data.graph_id) if user is not None else None
    if graph is None or not _may_start(token, user, graph):
        raise Problem(
            *(404, "not_found", "This worker has no such user and graph."),
            path="graph_id",
            hint="Check the user, the id of the graph, whose it is, and the scope in `manage.py tokens list`.",
        )
    return user, graph


def executions_in_scope(token: WorkerToken) -> Q:
    """The condition for executions that this worker may report."""
    condition = Q()
    if not token.all_users:
        condition &= Q(user__in=token.users.values("pk"))
    if not token.all_graphs:
        condition &= Q(graph__in=token.graphs.values("pk"))
    return condition


def _find_user(token: WorkerToken, data: NewExecution) -> Any:
    users = get_user_model()._default_manager.filter(is_active=True)
    if not token.all_users:
        users = users.filter(pk__in=token.users.values("pk"))
    field, wanted = ("pk", data.user_id) if data.user_id is not None else (users.model.USERNAME_FIELD, data.username)
    try:
        user = users.filter(**{field: wanted}).first()
    except (ValueError, OverflowError, ValidationError):
        return None
    return user if user is not None and str(getattr(user, field)) == wanted else None


def _may_start(token: WorkerToken, user: Any, graph: Graph) -> bool:
    if token.all_graphs:
        return bool(graph.owner_id == user.pk)
    return token.graphs.filter(pk=graph.pk).exists()
