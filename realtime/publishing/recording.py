"""Records events in the transaction of the change that they tell of."""

import time
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from pydantic import BaseModel
from pydantic_core import to_json

from realtime.log import numbering, store
from realtime.log.types import END, EventDraft, StreamRef
from realtime.metrics import observe
from realtime.publishing.after_commit import after_commit


def publish(stream: str, method: str, entity: str, data: BaseModel | dict[str, Any] | list[Any] | None) -> None:
    """Records one event on the stream with this key, in the current transaction. `realtime.streams` makes keys.

    `method` names what happened, in the past tense. `entity` is the id of what the event is about: a snapshot of the
    stream shows the newest event of each entity. `data` becomes JSON; NaN and infinities become null.
    Raises EventTooLarge; ValueError for data that JSON cannot hold, and for ids that are too long.
    """
    if method == END:
        raise ValueError(f"{method!r} cannot be published. Use `end_stream` to end a stream.")
    record_events([EventDraft(method, as_json(data), (StreamRef(stream, entity),))])


def end_stream(stream: str) -> None:
    """Ends a stream in the current transaction. After the commit the stream and its events are removed, and its
    subscribers are told."""
    record_events([EventDraft(END, "null", (StreamRef(stream, ""),))])


def as_json(data: BaseModel | dict[str, Any] | list[Any] | None) -> str:
    """Data as JSON text, as the log stores it and the wire carries it."""
    if isinstance(data, BaseModel):
        return data.model_dump_json()
    return to_json(data, inf_nan_mode="null").decode()


def record_events(drafts: Sequence[EventDraft], *, is_last_before_commit: bool = False) -> None:
    """Records events in the current transaction. `is_last_before_commit` says that the transaction does nothing more
    but commit; this saves one database round trip for a single event."""
    if not drafts:
        return
    began = time.perf_counter()
    using = store.database()
    is_last_before_commit = is_last_before_commit or transaction.get_autocommit(using)
    with transaction.atomic(using, savepoint=False):
        numbered, keys = numbering.insert(drafts, is_last_before_commit=is_last_before_commit)
        observe("publish", time.perf_counter() - began, "record")
        hook = after_commit(using)
        hook.numbered += numbered
        hook.unnumbered_keys |= keys
        hook.has_ended |= any(draft.method == END for draft in drafts)
        # Registered with each insert: Django drops a hook of a savepoint that is rolled back.
        transaction.on_commit(hook, using)
