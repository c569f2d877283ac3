"""The access functions for the streams of executions and graphs. `executions.access` has the rules."""

from typing import Any

from executions import access
from realtime import streams
from realtime.auth import stream_access
from realtime.wire.requests import SubscribeGraphExec, SubscribeGraphExecs


def connect() -> None:
    """Registers the access functions."""
    stream_access.register(SubscribeGraphExec, key_of_graph_exec)
    stream_access.register(SubscribeGraphExecs, key_of_graph_execs)


def key_of_graph_exec(user: Any, data: SubscribeGraphExec) -> str | None:
    execution = access.find_execution(user, data.graph_exec_id, only=("user",))
    return streams.graph_exec(str(execution.user_id), str(execution.pk)) if execution else None


def key_of_graph_execs(user: Any, data: SubscribeGraphExecs) -> str | None:
    graph = access.find_watchable_graph(user, data.graph_id, only=("id",))
    return streams.graph_execs(str(user.pk), str(graph.pk)) if graph else None
