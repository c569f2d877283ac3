"""Who may see which execution and which graph; asked by HTTP, socket and admin alike.

The owner may, and staff with the model's view permission. Nobody else learns whether it exists.
"""

from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet

from executions.models import Graph, GraphExecution
from executions.models.graph_execution import OF_ALL_BY_AGE, OF_ALL_BY_STATUS

M = TypeVar("M", bound=Model)


def executions_visible_to(user: Any) -> QuerySet[GraphExecution]:
    """Empty for who is not logged in or not active."""
    if _sees_all(user, "executions.view_graphexecution"):
        return GraphExecution.objects.all()
    return GraphExecution.objects.filter(user=user) if _is_person(user) else GraphExecution.objects.none()


def list_executions(user: Any, *, graph_id: Any = None, status: Any = None) -> QuerySet[GraphExecution]:
    """Those that `user` may see, of one graph or status where these are given, for a list in the order of their age:
    PostgreSQL finds each page of it by an index that holds nothing else."""
    rows = executions_visible_to(user)
    wanted = {name: value for name, value in {"graph": graph_id, "status": status}.items() if value is not None}
    if "graph" not in wanted and _sees_all(user, "executions.view_graphexecution"):
        rows = rows.filter(OF_ALL_BY_STATUS if wanted else OF_ALL_BY_AGE)
    return rows.filter(**wanted)


def graphs_visible_to(user: Any) -> QuerySet[Graph]:
    """Empty for who is not logged in or not active."""
    if _sees_all(user, "executions.view_graph"):
        return Graph.objects.all()
    return Graph.objects.filter(owner=user) if _is_person(user) else Graph.objects.none()


def find_execution(user: Any, id: Any, *, only: Sequence[str] = ()) -> GraphExecution | None:
    """The execution with this id, if `user` may see it; `id` may be anything. `only` names fields, where no others are
    wanted."""
    pk = as_uuid(id)
    return None if pk is None else _row(executions_visible_to(user).only(*only), pk)


def find_graph(user: Any, id: Any, *, only: Sequence[str] = ()) -> Graph | None:
    """The graph with this id, if `user` may see it; `id` may be anything. `only` names fields, where no others are
    wanted."""
    pk = as_uuid(id)
    return None if pk is None else _row(graphs_visible_to(user).only(*only), pk)


def may_change(user: Any, execution: GraphExecution, verb: str = "change") -> bool:
    """The owner may, and staff with the model's permission of this verb ("change", "delete"); to see it is not
    enough."""
    return bool(execution.user_id == user.pk or user.has_perm(f"executions.{verb}_graphexecution"))


def may_change_graph(user: Any, graph: Graph, verb: str = "change") -> bool:
    """The same for graphs."""
    return bool(graph.owner_id == user.pk or user.has_perm(f"executions.{verb}_graph"))


def _row(rows: QuerySet[M], pk: UUID) -> M | None:
    """Not by `first()`, which asks for an order and a limit, too: a fifth of what the query costs."""
    return next(iter(rows.filter(pk=pk)), None)


def _is_person(user: Any) -> bool:
    return bool(user is not None and user.is_authenticated and user.is_active)


def _sees_all(user: Any, permission: str) -> bool:
    return _is_person(user) and user.is_staff and user.has_perm(permission)


def as_uuid(id: Any) -> UUID | None:
    """None for what is no UUID."""
    try:
        return UUID(str(id))
    except ValueError:
        return None
