"""The access functions for the streams of executions and graphs. `executions.access` has the rules."""

from collections.abc import Iterator, Sequence
from typing import Any

from executions import access
from realtime import streams
from realtime.auth import stream_access
from realtime.wire.requests import SubscribeGraphExec, SubscribeGraphExecs


def connect() -> None:
    """Registers the access functions."""
    stream_access.register(SubscribeGraphExec, key_of_graph_exec, confirm_graph_execs)
    stream_access.register(SubscribeGraphExecs, key_of_graph_execs, confirm_graphs)


def key_of_graph_exec(user: Any, data: SubscribeGraphExec) -> str | None:
    execution = access.find_execution(user, data.graph_exec_id, only=("user",))
    return streams.graph_exec(str(execution.user_id), str(execution.pk)) if execution else None


def key_of_graph_execs(user: Any, data: SubscribeGraphExecs) -> str | None:
    graph = access.find_watchable_graph(user, data.graph_id, only=("id",))
    return streams.graph_execs(str(user.pk), str(graph.pk)) if graph else None


def confirm_graph_execs(pairs: Sequence[tuple[Any, SubscribeGraphExec]]) -> Iterator[str | None]:
    """Confirms owners, and staff who see all."""
    owners = access.owners_of_executions(data.graph_exec_id for _, data in pairs)
    for user, data in pairs:
        pk = access.as_uuid(data.graph_exec_id)
        owner_id = owners.get(pk) if pk else None
        is_visible = owner_id is not None and (owner_id == user.pk or access.sees_all_executions(user))
        yield streams.graph_exec(str(owner_id), str(pk)) if is_visible else None


def confirm_graphs(pairs: Sequence[tuple[Any, SubscribeGraphExecs]]) -> Iterator[str | None]:
    """Confirms owners, and staff who see all."""
    owners = access.owners_of_graphs(data.graph_id for _, data in pairs)
    for user, data in pairs:
        pk = access.as_uuid(data.graph_id)
        owner_id = owners.get(pk) if pk else None
        is_visible = owner_id is not None and (owner_id == user.pk or access.sees_all_graphs(user))
        yield streams.graph_execs(str(user.pk), str(pk)) if is_visible else None
