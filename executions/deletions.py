"""Deletions signal, too: each row's own, however it comes about (`delete()` of a row or a queryset, a cascade, admin).

The event is made while the row is still there, and sent when it is gone. Django sends these for each row, within one
transaction, and deletes nodes before their execution, executions before their graph.
"""

from typing import Any

from django.contrib.auth import get_user_model
from django.db import models
from django.db.models.signals import post_delete, pre_delete

from executions import signals
from executions.events import UserDeleted
from executions.models import Graph, GraphExecution, NodeExecution, Notification

_RECORDED = (Graph, GraphExecution, NodeExecution, Notification)


def connect() -> None:
    """Called once the models are loaded."""
    for model in _RECORDED:
        pre_delete.connect(on_pre_delete, sender=model, dispatch_uid="executions.pre_delete")
        post_delete.connect(on_post_delete, sender=model, dispatch_uid="executions.post_delete")
    user = get_user_model()
    post_delete.connect(on_user_post_delete, sender=user, dispatch_uid="executions.user_post_delete")


def on_pre_delete(instance: Any, using: str, origin: Any = None, **kwargs: Any) -> None:
    if isinstance(instance, NodeExecution) and not NodeExecution.graph_execution.is_cached(instance):
        execution = _execution_of(instance, using, origin)
        if execution is None:
            return  # it has taken the node with it, and that was told
        instance.graph_execution = execution
    instance._deleted_event = instance.deleted_event()


def on_post_delete(sender: type[models.Model], instance: Any, **kwargs: Any) -> None:
    if event := instance.__dict__.pop("_deleted_event", None):
        instance.deleted_signal.send(sender=sender, event=event)


def on_user_post_delete(sender: type[models.Model], instance: Any, **kwargs: Any) -> None:
    signals.user_deleted.send(sender=sender, event=UserDeleted(id=str(instance.pk)))


def _execution_of(node: NodeExecution, using: str, origin: Any) -> GraphExecution | None:
    """The node's execution, asked for once in a deletion; `origin` is the row or queryset that is being deleted."""
    known: dict[Any, GraphExecution | None]
    known = {} if origin is None else origin.__dict__.setdefault("_executions_of_deleted", {})
    if node.graph_execution_id not in known:
        rows = GraphExecution._base_manager.using(using).only("user")
        known[node.graph_execution_id] = rows.filter(pk=node.graph_execution_id).first()
    return known[node.graph_execution_id]
