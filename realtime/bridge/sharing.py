"""What somebody with a link to an execution may watch: a stream of its own, with masked events.

    execution is shared, or changes while it is    an event, with the execution's own; entity "execution"
    sharing has ended, or the execution            the stream ends
    who may see it by a link has changed           a notice to its guests

An execution that is not shared costs nothing here.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.db.models.signals import post_save

from executions import sharing
from executions.conf import limits as limits_of_executions
from executions.events import GraphExecutionDeleted, GraphExecutionEvent, SharedExecutionEvent
from executions.masking import masked
from executions.models import Graph, GraphExecution
from executions.models.graph_execution import SHARING
from realtime import streams
from realtime.auth import guests
from realtime.auth.guests import Link, user_id_of_guests
from realtime.conf import limits
from realtime.log.store import find_known
from realtime.log.types import END, EventDraft, StreamRef
from realtime.publishing.access_notices import notify_access_changed
from realtime.publishing.recording import as_json

METHOD: Final = "shared_execution_event"

Change = tuple[Any, list[EventDraft]]
"""An event of executions, and what is recorded for it."""


def connect() -> None:
    guests.register(find_links)
    post_save.connect(on_user_saved, sender=get_user_model(), dispatch_uid=f"{__name__}.{on_user_saved.__name__}")


def find_links(tokens: Collection[str]) -> Mapping[str, Link]:
    """The links of these tokens, by token, in one query."""
    links = {}
    for row in sharing.opened_by(tokens):
        end = row.share_expires_at
        links[str(row.share_token)] = Link(streams.shared(str(row.pk)), end.timestamp() if end else None)
    return links


def changes_of_guests(events: Sequence[Any], fields: Collection[str]) -> list[Change]:
    """What is recorded for guests. `fields` are those that the write of executions may have changed."""
    ended: list[Any] = [each for each in events if isinstance(each, GraphExecutionDeleted) and each.is_shared]
    shared = [each for each in events if isinstance(each, GraphExecutionEvent) and _has_link(each)]
    noted = [each.id for each in ended]
    if not SHARING.isdisjoint(fields):
        ids = [each.id for each in events]
        known = find_known([streams.shared(id) for id in ids])
        noted = [id for id in ids if streams.shared(id) in known]
        ended = [each for each in events if streams.shared(each.id) in known and not _has_link(each)]
    notify(noted)
    ends = [(each, [EventDraft(END, "null", (StreamRef(streams.shared(each.id), ""),))]) for each in ended]
    return [*ends, *_masked(shared)] if shared else ends


def _has_link(event: GraphExecutionEvent) -> bool:
    return event.is_shared and event.share_token is not None


def notify(execution_ids: Sequence[str]) -> None:
    """Sends a notice to the guests of these executions after the commit."""
    if execution_ids:
        notify_access_changed([user_id_of_guests(streams.shared(each)) for each in execution_ids])


def on_user_saved(sender: Any, instance: Any, created: bool, raw: bool, **kwargs: Any) -> None:
    """The links of an inactive user open nothing."""
    if not (created or raw or instance.is_active):
        shared = GraphExecution.objects.filter(user=instance, is_shared=True)
        notify([str(pk) for pk in shared.values_list("pk", flat=True)])


def _masked(events: Sequence[GraphExecutionEvent]) -> Iterator[Change]:
    names = dict(Graph.objects.filter(pk__in={each.graph_id for each in events}).values_list("pk", "name"))
    by_id = {str(pk): name for pk, name in names.items()}
    for event in events:
        ref = StreamRef(streams.shared(event.id), "execution")
        yield event, [EventDraft(METHOD, _as_json(event, by_id.get(event.graph_id, "")), (ref,))]


def _as_json(event: GraphExecutionEvent, graph_name: str) -> str:
    """Without the outputs if the event would be too large: names are short, and a mask may be longer than its value."""
    shown = SharedExecutionEvent(
        id=event.id,
        graph_name=graph_name,
        status=event.status,
        started_at=event.started_at,
        ended_at=event.ended_at,
        outputs=masked(event.outputs, limits_of_executions.SHARE_MASKED),
    )
    text = as_json(shown)
    return text if len(text.encode()) <= limits.MAX_EVENT_BYTES else as_json(shown.model_copy(update={"outputs": {}}))
