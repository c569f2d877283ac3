"""Decides which streams a user may watch. Reads the database. A guest may watch the stream of its link.

A registry has one access function for each class of subscribe. The function gets the user and the data of the
subscribe. It returns the key of the stream, or None if this user may watch no such stream. `bridge/access.py` registers
the functions of executions.

Another app decides about its streams with `REALTIME["STREAM_ACCESS"] = {kind: "path.to.function"}`. The function gets
the user and the id in the subscribe. It returns the id of the stream's owner, or None.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

from django.utils.module_loading import import_string

from realtime import streams
from realtime.aio.single_flight import SingleFlightGroup
from realtime.auth.guests import Guest
from realtime.conf import limits
from realtime.db import in_thread
from realtime.metrics import count
from realtime.wire.requests import (
    NOT_FOUND,
    BadRequest,
    Request,
    Subscribe,
    SubscribeNotifications,
    SubscribeStream,
)

logger = logging.getLogger(__name__)

S = TypeVar("S", bound=Subscribe)

_OPTIONS = set(Subscribe.model_fields)  # the fields that do not name the stream
_single_flights: SingleFlightGroup[str | None] = SingleFlightGroup()  # by user object, class and stream
_functions: dict[type[Subscribe], Callable[[Any, Any], str | None]] = {}
_functions_of_many: dict[type[Subscribe], Callable[[Sequence[tuple[Any, Any]]], Iterable[str | None]]] = {}


def register(
    data: type[S],
    find_key: Callable[[Any, S], str | None],
    find_keys: Callable[[Sequence[tuple[Any, S]]], Iterable[str | None]] | None = None,
) -> None:
    """Makes `find_key` the access function for subscribes of this class. `find_keys` gives the same answers for many
    pairs of user and data, in a few queries."""
    _functions[data] = find_key
    if find_keys:
        _functions_of_many[data] = find_keys


class Watch(NamedTuple):
    """That a user watches a stream."""

    user_id: str
    key: str


async def may_still_watch(watches: dict[Watch, tuple[Any, Subscribe]]) -> dict[Watch, bool | None]:
    """Whether each user may watch the stream still. The values are the user, as read a moment ago, and the data of the
    subscribe. None: the access function of another app has failed. Raises what the database raises."""
    return await in_thread(_confirm, watches) if watches else {}


def _confirm(watches: dict[Watch, tuple[Any, Subscribe]]) -> dict[Watch, bool | None]:
    answers: dict[Watch, bool | None] = {}
    for kind in {type(data) for _, data in watches.values()}:
        of_kind = [watch for watch, (_, data) in watches.items() if type(data) is kind]
        if find_keys := _functions_of_many.get(kind):
            keys = find_keys([watches[watch] for watch in of_kind])
            answers |= {watch: key == watch.key for watch, key in zip(of_kind, keys, strict=True)}
        else:
            answers |= {watch: _may_watch(watch, *watches[watch]) for watch in of_kind}
    return answers


def _may_watch(watch: Watch, user: Any, data: Subscribe) -> bool | None:
    try:
        return _find_key(user, data) == watch.key
    except Exception:
        if not isinstance(data, SubscribeStream):
            raise
        count("errors")
        logger.exception("The access function of %s failed; the subscription is paused until it answers", watch.key)
        return None


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
    if isinstance(user, Guest):  # no access function is asked about somebody who is no user
        is_own = isinstance(data, SubscribeStream) and user.may_watch(data.kind, data.id)
        return user.stream if is_own else None
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
