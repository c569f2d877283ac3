"""Sends a notice when a graph gets another owner, and when a session in the list of a person ends.

Executions and notifications keep their owner (`identity_fields`).
"""

from collections.abc import Iterable
from typing import Any

from django.db.models.signals import post_delete, post_save, pre_save

from executions.models import Graph, UserSession
from realtime import streams
from realtime.publishing.access_notices import notify_access_changed


def connect() -> None:
    pre_save.connect(before_graph_saved, sender=Graph, dispatch_uid=before_graph_saved.__name__)
    post_save.connect(on_graph_saved, sender=Graph, dispatch_uid=on_graph_saved.__name__)
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


def on_session_ended(sender: type[UserSession], instance: UserSession, using: str, **kwargs: Any) -> None:
    notify_access_changed([instance.user_id], using=using)
