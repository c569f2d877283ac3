"""How news gets onto a stream: recorded with the change that it tells of, announced with its number after the commit.

Any app of the project may put its own news on a stream of its own:

    from django.db import transaction
    from realtime import streams
    from realtime.publish import publish

    def ship(order):
        with transaction.atomic():
            order.shipped = True
            order.save()
            stream = streams.own("orders", str(order.user_id), str(order.pk))
            publish(stream, "order_shipped", "order", {"id": order.pk})

    # settings.py: who may watch; returns the owner's id, or None
    REALTIME = {"STREAM_ACCESS": {"orders": "shop.access.order_owner"}}

A browser subscribes with {"method":"subscribe_stream","data":{"kind":"orders","id":"7","after":0}}.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connections, transaction
from pydantic import BaseModel
from pydantic_core import to_json

from realtime import announcer
from realtime.log import numbering, retention, store
from realtime.log.types import END, Entry, Numbered, OpenStream, Place
from realtime.metrics import count

logger = logging.getLogger(__name__)

_BATCH = 100  # streams that are numbered in one transaction, since it holds the locks of all of them


def publish(stream: str, method: str, entity: str, data: BaseModel | dict[str, Any] | list[Any] | None) -> None:
    """Records one event on the stream with this key (`realtime.streams` makes keys), in the current transaction.

    `method` names what happened, in the past tense; `entity` is what it is about: the newest event of each entity is
    the state that a snapshot shows. `data` becomes JSON: NaN and infinities become null.
    Raises EventTooLarge; ValueError for data that JSON cannot hold, and for ids that are too long.
    """
    if method == END:
        raise ValueError(f"{method!r} is no event. To end a stream there is `end_stream`.")
    publish_entries([Entry(method, as_json(data), (Place(stream, entity),))])


def as_json(data: BaseModel | dict[str, Any] | list[Any] | None) -> str:
    """Data as the JSON text that the log keeps and the wire carries."""
    if isinstance(data, BaseModel):
        return data.model_dump_json()
    return to_json(data, inf_nan_mode="null").decode()


def publish_entries(entries: Sequence[Entry], *, commits_next: bool = False) -> None:
    """Records events, each on one stream or more, in the current transaction. `commits_next` says that nothing but its
    commit comes after this; then what one event costs is less by a journey to the database."""
    if not entries:
        return
    using = store.database()
    commits_next = commits_next or transaction.get_autocommit(using)
    with transaction.atomic(using, savepoint=False):
        numbered, keys = numbering.insert(entries, commits_next=commits_next)
        settlement = _settlement_of_transaction(using)
        settlement.numbered += numbered
        settlement.keys |= keys
        settlement.has_ended |= any(entry.method == END for entry in entries)
        # Registered with each insert: a hook that was set inside a savepoint goes when that is rolled back.
        transaction.on_commit(settlement, using)


def end_stream(stream: str) -> None:
    """Ends a stream in the current transaction: after the commit it is removed wholly, and its subscribers are told."""
    publish_entries([Entry(END, "null", (Place(stream, ""),))])


def settle(keys: Iterable[str], *, has_ended: bool = True) -> None:
    """Numbers what is unnumbered in these streams, removes those that were ended, and announces both. `has_ended` False
    saves a query where it is known that none was."""
    in_order = sorted(set(keys))
    for start in range(0, len(in_order), _BATCH):
        batch = in_order[start : start + _BATCH]
        for numbered in numbering.number(batch):
            announcer.announce(numbered)
        for key in store.ended(batch) if has_ended else ():
            if retention.remove(key):
                announcer.announce_end(key)


def open_stream(key: str) -> OpenStream:
    """Where the stream stands, with everything numbered that was committed before this call; it is made if need be."""
    stream, is_unsettled = store.look_up(key)
    while stream is None or is_unsettled:
        settle([key])
        stream, is_unsettled = store.look_up(key)[0], False
    return stream


class _Settlement:
    """What is left to do after the commit of one transaction, for all its events at once."""

    def __init__(self) -> None:
        self.numbered: list[Numbered] = []
        self.keys: set[str] = set()  # of streams in which events wait for their numbers
        self.has_ended = False

    def __call__(self) -> None:
        numbered, self.numbered = self.numbered, []
        keys, self.keys = self.keys, set()
        for each in numbered:
            announcer.announce(each)
        if not keys:
            return
        try:
            settle(keys, has_ended=self.has_ended)
        except Exception:
            count("numbering_failed")
            logger.exception("Events stay unnumbered for now; the sweep or the next reader of the stream numbers them")


def _settlement_of_transaction(using: str) -> _Settlement:
    """The one that a live hook of the current transaction will run, or a new one. The key of a savepoint that was
    rolled back may stay in it, which costs a look and no more."""
    for _, hook, *_ in reversed(connections[using].run_on_commit):
        if isinstance(hook, _Settlement):
            return hook
    return _Settlement()
