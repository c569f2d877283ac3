"""The access functions for the streams of executions and graphs. `executions.access` has the rules."""

from collections.abc import Iterator, Sequence
from typing import Any

from executions import access
from realtime import streams
from realtime.auth import stream_access
from realtime.wire.requests import SubscribeGraphExec, SubscribeGraphExecs


def connect() -> None:
    """Registers the access functions."""
    stream_access.register(SubscribeGraphExec, key_of_graph_exec, keys_of_graph_exec)
    stream_access.register(SubscribeGraphExecs, key_of_graph_execs, keys_of_graph_execs)


def key_of_graph_exec(user: Any, data: SubscribeGraphExec) -> str | None:
    execution = access.find_execution(user, data.graph_exec_id, only=("user",))
    return streams.graph_exec(str(execution.user_id), str(execution.pk)) if execution else None


def key_of_graph_execs(user: Any, data: SubscribeGraphExecs) -> str | None:
    graph = access.find_watchable_graph(user, data.graph_id, only=("id",))
    return streams.graph_execs(str(user.pk), str(graph.pk)) if graph else None


def keys_of_graph_exec(pairs: Sequence[tuple[Any, SubscribeGraphExec]]) -> Iterator[str | None]:
    asked = [access.Asked(user, data.graph_exec_id) for user, data in pairs]
    for found in access.find_executions(asked):
        yield streams.graph_exec(str(found.owner_id), str(found.pk)) if found else None


def keys_of_graph_execs(pairs: Sequence[tuple[Any, SubscribeGraphExecs]]) -> Iterator[str | None]:
    asked = [access.Asked(user, data.graph_id) for user, data in pairs]
    for (user, _), found in zip(pairs, access.find_watchable_graphs(asked), strict=True):
        yield streams.graph_execs(str(user.pk), str(found.pk)) if found else None
