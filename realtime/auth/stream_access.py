"""Decides which streams a user may watch. Reads the database.

A registry has one access function for each class of subscribe. The function gets the user and the data of the
subscribe. It returns the key of the stream, or None if this user may watch no such stream. `bridge/access.py` registers
the functions of executions.

Another app decides about its streams with `REALTIME["STREAM_ACCESS"] = {kind: "path.to.function"}`. The function gets
the user and the id in the subscribe. It returns the id of the stream's owner, or None.
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

_OPTIONS = set(Subscribe.model_fields)  # the fields that do not name the stream
_single_flights: SingleFlightGroup[str | None] = SingleFlightGroup()  # by user object, class and stream
_functions: dict[type[Subscribe], Callable[[Any, Any], str | None]] = {}


def register(data: type[S], find_key: Callable[[Any, S], str | None]) -> None:
    """Makes `find_key` the access function for subscribes of this class."""
    _functions[data] = find_key


async def stream_key(user: Any, request: Request) -> str:
    """The key of the stream that a subscribe asks for. Raises BadRequest if the stream does not exist or the user may
    not watch it, with the same text for both. Reads the database in a thread. Requests at the same time for the same
    stream share one read if their sockets share the user object, which they do after a shared handshake."""
    data = request.data
    flight_key = id(user), type(data), *data.model_dump(exclude=_OPTIONS).values()
    key = await _single_flights.read(flight_key, lambda: in_thread(_find_key, user, data))
    if key is None:
        raise BadRequest(NOT_FOUND[request.method], request.id)
    return key


def _find_key(user: Any, data: Subscribe) -> str | None:
    find_key = _functions.get(type(data))
    return find_key(user, data) if find_key else None


def _find_app_stream(user: Any, data: SubscribeStream) -> str | None:
    path = limits.STREAM_ACCESS.get(data.kind)
    owner_id = import_string(path)(user, data.id) if path else None
    return streams.own(data.kind, str(owner_id), data.id) if owner_id is not None else None


def _find_notifications(user: Any, data: SubscribeNotifications) -> str:
    return streams.notifications(str(user.pk))


register(SubscribeStream, _find_app_stream)
register(SubscribeNotifications, _find_notifications)
