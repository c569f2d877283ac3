"""Sends the signals of deletions: `delete()` of a row or a queryset, a cascade, the admin.

The event is built while the row still exists, and sent after the row is deleted. Django calls the handlers for each row
in one transaction. It deletes nodes before their execution, and executions before their graph.
"""

from typing import Any

from django.contrib.auth import get_user_model
from django.db import models
from django.db.models.signals import post_delete, pre_delete

from executions import signals
from executions.events import UserDeleted
from executions.models import Graph, GraphExecution, NodeExecution, Notification

_SIGNALLING_MODELS = (Graph, GraphExecution, NodeExecution, Notification)


def connect() -> None:
    """Connects the handlers. Must be called after the models are loaded."""
    for model in _SIGNALLING_MODELS:
        pre_delete.connect(on_pre_delete, sender=model, dispatch_uid="executions.pre_delete")
        post_delete.connect(on_post_delete, sender=model, dispatch_uid="executions.post_delete")
    user = get_user_model()
    post_delete.connect(on_user_post_delete, sender=user, dispatch_uid="executions.user_post_delete")


def on_pre_delete(instance: Any, using: str, origin: Any = None, **kwargs: Any) -> None:
    if isinstance(instance, NodeExecution) and not NodeExecution.graph_execution.is_cached(instance):
        execution = _execution_of(instance, using, origin)
        if execution is None:
            return  # its deletion has deleted this node too, and has sent the signal
        instance.graph_execution = execution
    instance._deleted_event = instance.deleted_event()


def on_post_delete(sender: type[models.Model], instance: Any, **kwargs: Any) -> None:
    if event := instance.__dict__.pop("_deleted_event", None):
        instance.deleted_signal.send(sender=sender, event=event)


def on_user_post_delete(sender: type[models.Model], instance: Any, **kwargs: Any) -> None:
    signals.user_deleted.send(sender=sender, event=UserDeleted(id=str(instance.pk)))


def _execution_of(node: NodeExecution, using: str, origin: Any) -> GraphExecution | None:
    """The execution of the node, read once in a deletion. `origin` is the row or queryset that is deleted."""
    cache: dict[Any, GraphExecution | None]
    cache = {} if origin is None else origin.__dict__.setdefault("_executions_of_deleted", {})
    if node.graph_execution_id not in cache:
        rows = GraphExecution._base_manager.using(using).only("user")
        cache[node.graph_execution_id] = rows.filter(pk=node.graph_execution_id).first()
    return cache[node.graph_execution_id]
