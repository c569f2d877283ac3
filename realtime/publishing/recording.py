"""How news gets onto a stream: recorded with the change that it tells of, in the same transaction."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from pydantic import BaseModel
from pydantic_core import to_json

from realtime.log import numbering, store
from realtime.log.types import END, EventDraft, StreamRef
from realtime.publishing.after_commit import after_commit


def publish(stream: str, method: str, entity: str, data: BaseModel | dict[str, Any] | list[Any] | None) -> None:
    """Records one event on the stream with this key (`realtime.streams` makes keys), in the current transaction.

    `method` names what happened, in the past tense; `entity` is what it is about: the newest event of each entity is
    the state that a snapshot shows. `data` becomes JSON: NaN and infinities become null.
    Raises EventTooLarge; ValueError for data that JSON cannot hold, and for ids that are too long.
    """
    if method == END:
        raise ValueError(f"{method!r} is no event. To end a stream there is `end_stream`.")
    record_events([EventDraft(method, as_json(data), (StreamRef(stream, entity),))])


def as_json(data: BaseModel | dict[str, Any] | list[Any] | None) -> str:
    """Data as the JSON text that the log keeps and the wire carries."""
    if isinstance(data, BaseModel):
        return data.model_dump_json()
    return to_json(data, inf_nan_mode="null").decode()


def record_events(entries: Sequence[EventDraft], *, commits_next: bool = False) -> None:
    """Records events, each on one stream or more, in the current transaction. `commits_next` says that nothing but its
    commit comes after this; then what one event costs is less by a journey to the database."""
    if not entries:
        return
    using = store.database()
    commits_next = commits_next or transaction.get_autocommit(using)
    with transaction.atomic(using, savepoint=False):
        numbered, keys = numbering.insert(entries, commits_next=commits_next)
        after = after_commit(using)
        after.numbered += numbered
        after.keys |= keys
        after.has_ended |= any(entry.method == END for entry in entries)
        # Registered with each insert: a hook that was set inside a savepoint goes when that is rolled back.
        transaction.on_commit(after, using)


def end_stream(stream: str) -> None:
    """Ends a stream in the current transaction: after the commit it is removed wholly, and its subscribers are told."""
    record_events([EventDraft(END, "null", (StreamRef(stream, ""),))])
