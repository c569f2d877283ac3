"""Access to executions and graphs. HTTP, sockets and pages all ask here.

The policy of the project decides (`executions.access_policies`); by default the owner may see a row, and so may staff
with the view permission of the model. For all other users the row does not exist. Users who are anonymous or inactive
see nothing, whatever the policy says.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from django.db.models import BigIntegerField, Exists, Model, OuterRef, Q, QuerySet, Value

from executions.access_policies import policy
from executions.models import Graph, GraphExecution
from executions.models.graph_execution import OF_ALL_BY_AGE, OF_ALL_BY_STATUS

M = TypeVar("M", bound=Model)
T = TypeVar("T")


def executions_visible_to(user: Any) -> QuerySet[GraphExecution]:
    """Empty for a user who is not logged in or not active."""
    if sees_all_executions(user):
        return GraphExecution.objects.all()
    rows = GraphExecution.objects
    return rows.filter(policy().executions(user)) if _is_active(user) else rows.none()


def list_executions(user: Any, *, graph_id: Any = None, status: Any = None) -> QuerySet[GraphExecution]:
    """The executions that `user` may see, for a list ordered by age; `graph_id` and `status` narrow it."""
    return reduce(or_, list_executions_in_parts(user, graph_id=graph_id, status=status))


def list_executions_in_parts(
    user: Any, *, graph_id: Any = None, status: Any = None
) -> Sequence[QuerySet[GraphExecution]]:
    """The same as one queryset or more, which may share rows: those of the user, and those of each team.

    PostgreSQL finds each page of a part by an index that holds only these rows (see
    `executions.models.graph_execution`). A page of all parts together would need a sort of all rows.
    """
    filters = {name: value for name, value in {"graph": graph_id, "status": status}.items() if value is not None}
    if sees_all_executions(user):
        rows = GraphExecution.objects.filter(**filters)
        return [rows if graph_id is not None else rows.filter(OF_ALL_BY_STATUS if filters else OF_ALL_BY_AGE)]
    if not _is_active(user):
        return [GraphExecution.objects.none()]
    condition = policy().executions(user)
    is_simple = condition.connector != Q.OR or condition.negated
    parts = [condition] if is_simple else [Q(part) for part in condition.children]
    return [GraphExecution.objects.filter(part, **filters) for part in parts]


def graphs_visible_to(user: Any) -> QuerySet[Graph]:
    """Empty for a user who is not logged in or not active."""
    if sees_all_graphs(user):
        return Graph.objects.all()
    return Graph.objects.filter(policy().graphs(user)) if _is_active(user) else Graph.objects.none()


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
    """The graph with this id if `user` may see it, and so may start it, or sees executions of it that are his. Somebody
    else may own it: the stream of a graph has the user's own executions only."""
    graph = find_graph(user, id, only=only)
    pk = as_uuid(id)
    if graph is not None or pk is None or not _is_active(user):
        return graph
    return _find(Graph.objects.filter(_has_own_executions(user)).only(*only), pk)


class Asked(NamedTuple):
    """A question about one row. `id` may be any value."""

    user: Any
    id: Any


class Found(NamedTuple):
    """The row, which the user may see."""

    pk: UUID
    owner_id: Any


def find_executions(asked: Sequence[Asked]) -> list[Found | None]:
    """Answers like `find_execution()` for each question, in a few queries."""
    owners = _owners(GraphExecution.objects.values_list("pk", "user"), asked)
    return _answer(asked, owners, sees_all_executions, policy().executions, GraphExecution.objects.all())


def find_watchable_graphs(asked: Sequence[Asked]) -> list[Found | None]:
    """Answers like `find_watchable_graph()` for each question, in a few queries."""
    owners = _owners(Graph.objects.values_list("pk", "owner"), asked)
    condition = lambda user: policy().graphs(user) | Q(_has_own_executions(user))  # noqa: E731
    return _answer(asked, owners, sees_all_graphs, condition, Graph.objects.all())


def sees_all_executions(user: Any) -> bool:
    """Whether the user may see everybody's executions."""
    return _is_active(user) and policy().sees_all_executions(user)


def sees_all_graphs(user: Any) -> bool:
    """Whether the user may see everybody's graphs."""
    return _is_active(user) and policy().sees_all_graphs(user)


def may_change(user: Any, execution: GraphExecution, verb: str = "change") -> bool:
    """Whether `user` may "change" or "delete" an execution that he sees. The right to see a row does not include the
    right to change it."""
    return _is_active(user) and policy().may_change_execution(user, execution, verb)


def may_change_graph(user: Any, graph: Graph, verb: str = "change") -> bool:
    """Like `may_change()`, for graphs."""
    return _is_active(user) and policy().may_change_graph(user, graph, verb)


def may_assign(user: Any, organization_id: str | None, team_id: str | None) -> bool:
    """Whether `user` may put a graph into this team of this organization. None: into none."""
    return _is_active(user) and policy().may_assign(user, organization_id, team_id)


def _find(rows: QuerySet[M], pk: UUID) -> M | None:
    """The row with this key. `first()` would add ORDER BY and LIMIT, which cost a fifth of the query."""
    return next(iter(rows.filter(pk=pk)), None)


def _has_own_executions(user: Any) -> Exists:
    """The condition for graphs of which the user sees executions that are his."""
    return Exists(GraphExecution.objects.filter(policy().executions(user), user=user.pk, graph=OuterRef("pk")))


_CHUNK = 500  # primary keys of one query
_UNION = 50  # users of one query; SQLite takes 500 SELECTs and 32,766 parameters


def _owners(rows: Any, asked: Sequence[Asked]) -> dict[UUID, Any]:
    pks = list({pk for pk in (as_uuid(id) for _, id in asked) if pk is not None})
    return {pk: owner for chunk in _chunks(pks, _CHUNK) for pk, owner in rows.filter(pk__in=chunk)}


def _answer(
    asked: Sequence[Asked],
    owners: Mapping[UUID, Any],
    sees_all: Callable[[Any], bool],
    condition: Callable[[Any], Q],
    rows: QuerySet[Any],
) -> list[Found | None]:
    """Asks the database about those who are neither owners nor see all. `condition` is for the rows that a user may
    see."""
    rights = policy()
    users: dict[int, Any] = {}  # by identity: these are about to be prepared
    left: dict[int, set[UUID]] = {}
    visible: set[tuple[int, UUID]] = set()
    for user, given in asked:
        pk = as_uuid(given)
        if pk is None or pk not in owners or not _is_active(user):
            continue
        if (rights.owners_see_theirs and owners[pk] == user.pk) or sees_all(user):
            visible.add((id(user), pk))
        else:
            users[id(user)] = user
            left.setdefault(id(user), set()).add(pk)
    if users:
        rights.prepare(list(users.values()))
    parts = [
        rows.filter(condition(users[key]), pk__in=chunk).order_by().values_list(Value(key, BigIntegerField()), "pk")
        for key, pks in left.items()
        for chunk in _chunks(list(pks), _CHUNK)
    ]
    for first, *others in _chunks(parts, _UNION):
        visible.update(first.union(*others, all=True) if others else first)
    keys = ((id(user), as_uuid(given)) for user, given in asked)
    return [Found(pk, owners[pk]) if pk is not None and (key, pk) in visible else None for key, pk in keys]


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _is_active(user: Any) -> bool:
    return bool(user is not None and user.is_authenticated and user.is_active)


def as_uuid(id: Any) -> UUID | None:
    """The UUID that this value is or spells, else None."""
    try:
        return UUID(str(id))
    except ValueError:
        return None
