"""Who may watch which stream. Reads the database; the rules for executions and graphs are those of `executions.access`.

Another app says who may watch its streams with `REALTIME["STREAM_ACCESS"] = {kind: "path.to.function"}`; the function
gets the user and the id, and returns the id of the user whose stream it is, or None.
"""

from typing import Any

from django.utils.module_loading import import_string

from executions import access
from realtime import streams
from realtime.aio.single_flight import SharedReads
from realtime.conf import limits
from realtime.db import in_thread
from realtime.wire.requests import (
    NOT_FOUND,
    BadRequest,
    Request,
    Subscribe,
    SubscribeGraphExec,
    SubscribeGraphExecs,
    SubscribeStream,
)

_WISHES = set(Subscribe.model_fields)  # of a subscribe, whatever it means
_reads: SharedReads[str | None] = SharedReads()


async def stream_key(user: Any, request: Request) -> str:
    """The key of the stream that a subscribe means. Raises BadRequest where it does not exist or is not this user's to
    see, with the same text for both. Reads the database, in a thread; sockets that have the same user, as it was read
    once for all of them, and ask for the same stream at about the same time share the reading."""
    data = request.data
    question = id(user), type(data), *data.model_dump(exclude=_WISHES).values()
    key = await _reads.read(question, lambda: in_thread(_find, user, data))
    if key is None:
        raise BadRequest(NOT_FOUND[request.method], request.id)
    return key


def _find(user: Any, data: Subscribe) -> str | None:
    key = None
    if isinstance(data, SubscribeGraphExec):
        execution = access.find_execution(user, data.graph_exec_id, only=("user",))
        key = streams.graph_exec(str(execution.user_id), str(execution.pk)) if execution else None
    elif isinstance(data, SubscribeGraphExecs):
        graph = access.find_graph(user, data.graph_id, only=("id",))
        key = streams.graph_execs(str(user.pk), str(graph.pk)) if graph else None
    elif isinstance(data, SubscribeStream):
        path = limits.STREAM_ACCESS.get(data.kind)
        owner_id = import_string(path)(user, data.id) if path else None
        key = streams.own(data.kind, str(owner_id), data.id) if owner_id is not None else None
    else:
        key = streams.notifications(str(user.pk))
    return key
