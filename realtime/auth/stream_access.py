"""Who may watch which stream. Reads the database.

A registry has one function for each kind of subscribe. It gets the user and what the subscribe says, and returns the
key of the stream, or None where there is no such stream for this user. `bridge/access.py` registers those of
executions.

Another app says who may watch its streams with `REALTIME["STREAM_ACCESS"] = {kind: "path.to.function"}`; the function
gets the user and the id, and returns the id of the user whose stream it is, or None.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from django.utils.module_loading import import_string

from realtime import streams
from realtime.aio.single_flight import SingleFlightGroup
from realtime.conf import limits
from realtime.db import in_thread
from realtime.wire.requests import (
    NOT_FOUND,
    BadRequest,
    Request,
    Subscribe,
    SubscribeNotifications,
    SubscribeStream,
)

S = TypeVar("S", bound=Subscribe)

_WISHES = set(Subscribe.model_fields)  # of a subscribe, whatever it means
_reads: SingleFlightGroup[str | None] = SingleFlightGroup()
_functions: dict[type[Subscribe], Callable[[Any, Any], str | None]] = {}


def register(data: type[S], find_key: Callable[[Any, S], str | None]) -> None:
    """From now on `find_key` decides about subscribes of this class."""
    _functions[data] = find_key


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
    find_key = _functions.get(type(data))
    return find_key(user, data) if find_key else None


def _key_of_stream(user: Any, data: SubscribeStream) -> str | None:
    path = limits.STREAM_ACCESS.get(data.kind)
    owner_id = import_string(path)(user, data.id) if path else None
    return streams.own(data.kind, str(owner_id), data.id) if owner_id is not None else None


def _key_of_notifications(user: Any, data: SubscribeNotifications) -> str:
    return streams.notifications(str(user.pk))


register(SubscribeStream, _key_of_stream)
register(SubscribeNotifications, _key_of_notifications)
