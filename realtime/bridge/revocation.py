"""Sends a notice when a graph gets another owner, when an execution gets another team, and when a session in the list
of a person ends.

Executions and notifications keep their owner (`identity_fields`). Without teams an execution costs nothing here. With
them, a save that writes the team costs one query; reports do not write it. The check in turn finds that a graph has
another team: its streams have the executions of their subscribers only.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models.signals import post_delete, post_save, pre_save

from executions import signals
from executions.access_policies import policy
from executions.events import GraphExecutionEvent
from executions.models import Graph, GraphExecution, UserSession
from realtime import streams
from realtime.publishing.access_notices import notify_access_changed, notify_streams_changed


def connect() -> None:
    pre_save.connect(before_graph_saved, sender=Graph, dispatch_uid=before_graph_saved.__name__)
    post_save.connect(on_graph_saved, sender=Graph, dispatch_uid=on_graph_saved.__name__)
    pre_save.connect(before_execution_saved, sender=GraphExecution, dispatch_uid=before_execution_saved.__name__)
    signals.graph_executions_reassigned.connect(on_reassigned, dispatch_uid=on_reassigned.__name__)
    post_delete.connect(on_session_ended, sender=UserSession, dispatch_uid=on_session_ended.__name__)


def before_graph_saved(
    sender: type[Graph], instance: Graph, using: str, raw: bool, update_fields: Iterable[str] | None, **kwargs: Any
) -> None:
    """Reads the former owner, if the save writes the owner."""
    instance.__dict__.pop("_former_owner_id", None)
    is_owner_written = update_fields is None or not {"owner", "owner_id"}.isdisjoint(update_fields)
    if raw or instance._state.adding or not is_owner_written:
        return
    rows = Graph.objects.using(using).filter(pk=instance.pk).values_list("owner", flat=True)
    former = next(iter(rows), None)
    if former not in (None, instance.owner_id):
        instance.__dict__["_former_owner_id"] = former


def on_graph_saved(sender: type[Graph], instance: Graph, using: str, **kwargs: Any) -> None:
    former = instance.__dict__.pop("_former_owner_id", None)
    if former is not None:
        notify_access_changed([former], streams.graph_execs(str(former), str(instance.pk)), using=using)


def before_execution_saved(
    sender: Any, instance: Any, using: str, raw: bool, update_fields: Iterable[str] | None, **kwargs: Any
) -> None:
    """Sends a notice if the save changes the team. The transaction of the save is open. A receiver of `post_save` would
    make each save slower (`is_last_before_commit`)."""
    is_team_written = update_fields is None or not sender.access_fields.isdisjoint(update_fields)
    if raw or instance._state.adding or not is_team_written or not policy().reads_teams:
        return
    names = sorted(sender.access_fields)
    rows = sender._base_manager.using(using).filter(pk=instance.pk).values_list(*names)
    former = next(iter(rows), None)
    if former not in (None, tuple(getattr(instance, name) for name in names)):
        notify_streams_changed([streams.graph_exec(str(instance.user_id), str(instance.pk))], using=using)


def on_reassigned(sender: Any, events: Sequence[GraphExecutionEvent], **kwargs: Any) -> None:
    if policy().reads_teams:
        notify_streams_changed(streams.graph_exec(event.user_id, event.id) for event in events)


def on_session_ended(sender: type[UserSession], instance: UserSession, using: str, **kwargs: Any) -> None:
    notify_access_changed([instance.user_id], using=using)
