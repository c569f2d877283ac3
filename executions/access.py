"""The rules of access to executions and graphs. HTTP, sockets and pages all use them.

The owner may see a row, and so may staff with the view permission of the model. For all other users the row does not
exist.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from django.db.models import Exists, Model, OuterRef, QuerySet

from executions.models import Graph, GraphExecution
from executions.models.graph_execution import OF_ALL_BY_AGE, OF_ALL_BY_STATUS

M = TypeVar("M", bound=Model)


def executions_visible_to(user: Any) -> QuerySet[GraphExecution]:
    """Empty for a user who is not logged in or not active."""
    if sees_all_executions(user):
        return GraphExecution.objects.all()
    return GraphExecution.objects.filter(user=user) if _is_active(user) else GraphExecution.objects.none()


def list_executions(user: Any, *, graph_id: Any = None, status: Any = None) -> QuerySet[GraphExecution]:
    """The executions that `user` may see, for a list ordered by age; `graph_id` and `status` narrow it.

    PostgreSQL finds each page by an index that holds only these rows (see `executions.models.graph_execution`).
    """
    rows = executions_visible_to(user)
    filters = {name: value for name, value in {"graph": graph_id, "status": status}.items() if value is not None}
    if "graph" not in filters and sees_all_executions(user):
        rows = rows.filter(OF_ALL_BY_STATUS if filters else OF_ALL_BY_AGE)
    return rows.filter(**filters)


def graphs_visible_to(user: Any) -> QuerySet[Graph]:
    """Empty for a user who is not logged in or not active."""
    if sees_all_graphs(user):
        return Graph.objects.all()
    return Graph.objects.filter(owner=user) if _is_active(user) else Graph.objects.none()


def find_execution(user: Any, id: Any, *, only: Sequence[str] = ()) -> GraphExecution | None:
    """The execution with this id if `user` may see it, else None. `id` may be any value. `only` names the fields to
    read; empty: all."""
    pk = as_uuid(id)
    return None if pk is None else _find(executions_visible_to(user).only(*only), pk)


def find_graph(user: Any, id: Any, *, only: Sequence[str] = ()) -> Graph | None:
    """The graph with this id if `user` may see it, else None. `id` may be any value. `only` names the fields to read;
    empty: all."""
    pk = as_uuid(id)
    return None if pk is None else _find(graphs_visible_to(user).only(*only), pk)


def find_watchable_graph(user: Any, id: Any, *, only: Sequence[str] = ()) -> Graph | None:
    """The graph with this id if `user` may see it, and so may start it, or has executions of it. Somebody else may own
    it: the stream of a graph has the user's own executions only."""
    graph = find_graph(user, id, only=only)
    pk = as_uuid(id)
    if graph is not None or pk is None or not _is_active(user):
        return graph
    own = GraphExecution.objects.filter(user=user, graph=OuterRef("pk"))
    return _find(Graph.objects.filter(Exists(own)).only(*only), pk)


def owners_of_executions(ids: Iterable[Any]) -> dict[UUID, Any]:
    """The primary keys of the owners, by execution, of those that exist. The ids may be any values."""
    return _owners(GraphExecution.objects.values_list("pk", "user"), ids)


def owners_of_graphs(ids: Iterable[Any]) -> dict[UUID, Any]:
    """The primary keys of the owners, by graph, of those that exist. The ids may be any values."""
    return _owners(Graph.objects.values_list("pk", "owner"), ids)


def sees_all_executions(user: Any) -> bool:
    """Whether the user is staff who may see everybody's executions."""
    return _sees_all(user, "executions.view_graphexecution")


def sees_all_graphs(user: Any) -> bool:
    """Whether the user is staff who may see everybody's graphs."""
    return _sees_all(user, "executions.view_graph")


def may_change(user: Any, execution: GraphExecution, verb: str = "change") -> bool:
    """Whether `user` is the owner or has the permission of the model for this verb ("change" or "delete"). The right
    to see a row does not include the right to change it."""
    return bool(execution.user_id == user.pk or user.has_perm(f"executions.{verb}_graphexecution"))


def may_change_graph(user: Any, graph: Graph, verb: str = "change") -> bool:
    """Like `may_change()`, for graphs."""
    return bool(graph.owner_id == user.pk or user.has_perm(f"executions.{verb}_graph"))


def _find(rows: QuerySet[M], pk: UUID) -> M | None:
    """The row with this key. `first()` would add ORDER BY and LIMIT, which cost a fifth of the query."""
    return next(iter(rows.filter(pk=pk)), None)


def _owners(rows: Any, ids: Iterable[Any]) -> dict[UUID, Any]:
    pks = list({pk for pk in map(as_uuid, ids) if pk is not None})
    chunks = (pks[start : start + _CHUNK] for start in range(0, len(pks), _CHUNK))
    return {pk: owner for chunk in chunks for pk, owner in rows.filter(pk__in=chunk)}


_CHUNK = 500  # primary keys of one query


def _is_active(user: Any) -> bool:
    return bool(user is not None and user.is_authenticated and user.is_active)


def _sees_all(user: Any, permission: str) -> bool:
    return _is_active(user) and user.is_staff and user.has_perm(permission)


def as_uuid(id: Any) -> UUID | None:
    """The UUID that this value is or spells, else None."""
    try:
        return UUID(str(id))
    except ValueError:
        return None
