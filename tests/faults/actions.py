"""The actions that a worker process can carry out. Arguments and results are JSON."""

import os
import signal
import time
from contextlib import nullcontext
from datetime import timedelta
from typing import Any
from uuid import uuid4

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.contrib.auth import get_user_model
from django.db import Error, connections, transaction
from django.utils import timezone

from executions.models import Graph, GraphExecution, NodeExecution
from executions.services import notify_user, report_node, start_execution
from realtime import streams
from realtime.auth.jwt import issue_token
from realtime.log import numbering, retention, store
from realtime.models import Stream, StreamEvent, new_epoch
from realtime.publishing import announcer
from tests.faults.worker import report
from tests.waiting import rest, until


def make_user(name: str) -> dict[str, str]:
    """Creates a user with this name, and a token that is valid for a day."""
    user, _ = get_user_model().objects.get_or_create(username=f"{name}-{uuid4().hex[:8]}")
    notifications = streams.notifications(str(user.pk))
    return {"id": str(user.pk), "token": issue_token(user.pk, timedelta(days=1)), "notifications": notifications}


def make_executions(user: str, count: int) -> dict[str, Any]:
    """Creates a graph of the user and `count` executions of it."""
    owner = get_user_model().objects.get(pk=user)
    graph = Graph.objects.create(owner=owner, name="A graph")
    executions = [start_execution(graph, user=owner) for _ in range(count)]
    return {
        "graph": str(graph.pk),
        "graph_key": streams.graph_execs(user, str(graph.pk)),
        "executions": {str(each.pk): streams.graph_exec(user, str(each.pk)) for each in executions},
    }


def write(writer: str, executions: list[str], first: int, count: int, pause: float = 0.0, size: int = 0) -> int:
    """Reports a node of each execution in turn, `count` times in all, and prints after each commit what it committed.
    The changes of a writer have numbers, from `first` on. Returns the next number. A failed change is printed as
    uncertain: it may have been committed before the connection was lost."""
    for number in range(first, first + count):
        execution = executions[number % len(executions)]
        data = {"writer": writer, "number": number, "at": time.time(), "text": "x" * size}
        try:
            report_node(GraphExecution(pk=execution), node_id=writer, status="QUEUED", input_data=data)
        except Error:
            report(uncertain=[execution, number])
            connections.close_all()
            rest(0.2)
        else:
            report(committed=[execution, number])
        rest(pause)
    return first + count


def write_and_roll_back(execution: str, count: int) -> None:
    """Inserts changes and rolls them back."""
    try:
        with transaction.atomic():
            for number in range(count):
                report_node(
                    GraphExecution(pk=execution), node_id="never", status="QUEUED", input_data={"number": number}
                )
            raise _RolledBack
    except _RolledBack:
        pass


def write_and_die(execution: str, moment: str) -> None:
    """Commits a change and kills this process "before numbering" or "before announcing"."""

    def die(*args: Any, **kwargs: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    owner, name = {"before numbering": (numbering, "number"), "before announcing": (announcer, "announce")}[moment]
    setattr(owner, name, die)
    # Outside a transaction the event would get its number with the insert.
    with transaction.atomic() if moment == "before numbering" else nullcontext():
        report_node(GraphExecution(pk=execution), node_id="dying", status="QUEUED")
    # The sweep of a server was faster and numbered the event. Try again.
    until(lambda: not store.find_unnumbered(1))
    write_and_die(execution, moment)


def burst(execution: str, count: int, batch: int = 50) -> None:
    """Makes many changes as fast as possible, `batch` in a transaction."""
    for start in range(0, count, batch):
        with transaction.atomic():
            NodeExecution.objects.bulk_create(
                NodeExecution(graph_execution_id=execution, node_id=f"n{number}", status="QUEUED")
                for number in range(start, min(start + batch, count))
            )


def notify(user: str, count: int) -> None:
    for number in range(count):
        notify_user(get_user_model()(pk=user), type="info", event=str(number), of=user, at=time.time())


def prune(key: str, days_from_now: float = 1.0) -> int:
    """Prunes the events from before a moment `days_from_now`. Returns how many were removed."""
    stream = Stream.objects.get(key=key)
    return retention.prune(stream.pk, timezone.now() + timedelta(days=days_from_now))


def shift_clock(key: str, days: float, last: int) -> int:
    """Dates the `last` events of the stream as a machine would whose clock is `days` ahead."""
    stream = Stream.objects.get(key=key)
    return StreamEvent.objects.filter(stream=stream, seq__gt=stream.head - last).update(
        created_at=timezone.now() + timedelta(days=days)
    )


def restore_backup(key: str, events: int, with_new_epoch: bool) -> int:
    """Sets the stream back by `events`, as a restored backup does. Returns its head. The documented procedure also
    gives it a new epoch."""
    with transaction.atomic():
        (stream,) = store.lock_streams([key])
        stream.head = max(stream.head - events, stream.floor, 1)  # the first event belongs to two streams
        # Events that refer to the data of removed events are removed, too, as in a backup of the whole database.
        gone = StreamEvent.objects.filter(stream=stream, seq__gt=stream.head)
        gone.exclude(data_of=None).delete()
        gone.delete()
        if with_new_epoch:
            stream.epoch = new_epoch()
        stream.save()
        return int(stream.head)


def lose_messages(lost: float = 0.0, held: int = 0) -> None:
    """Makes the channel layer of this process drop or reorder announcements."""
    layer = get_channel_layer()
    layer.lost, layer.held = lost, held


def send_to_group(key: str, message: dict[str, Any]) -> None:
    """Sends a layer message, for example one of another version of the program."""
    async_to_sync(get_channel_layer().group_send)(streams.group(key), message)


class _RolledBack(Exception):  # noqa: N818
    """Raised to roll back a transaction."""
