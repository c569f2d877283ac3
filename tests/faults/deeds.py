"""What a worker process can be asked to do. Arguments and results are JSON."""

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
from tests.faults.worker import say
from tests.waiting import rest, until


def make_user(name: str) -> dict[str, str]:
    """A user with this name and a token for a day."""
    user, _ = get_user_model().objects.get_or_create(username=f"{name}-{uuid4().hex[:8]}")
    notifications = streams.notifications(str(user.pk))
    return {"id": str(user.pk), "token": issue_token(user.pk, timedelta(days=1)), "notifications": notifications}


def make_executions(user: str, count: int) -> dict[str, Any]:
    """A graph of the user's, and so many executions of it."""
    owner = get_user_model().objects.get(pk=user)
    graph = Graph.objects.create(owner=owner, name="A graph")
    executions = [start_execution(graph, user=owner) for _ in range(count)]
    return {
        "graph": str(graph.pk),
        "graph_key": streams.graph_execs(user, str(graph.pk)),
        "executions": {str(each.pk): streams.graph_exec(user, str(each.pk)) for each in executions},
    }


def write(writer: str, executions: list[str], first: int, count: int, pause: float = 0.0, size: int = 0) -> int:
    """Reports a node of each execution in turn, `count` times in all, and says each time what has been committed. The
    writer's changes have numbers, from `first` on; returns the next one. What fails is told as uncertain: it may have
    been committed before the connection was lost."""
    for number in range(first, first + count):
        execution = executions[number % len(executions)]
        data = {"writer": writer, "number": number, "at": time.time(), "text": "x" * size}
        try:
            report_node(GraphExecution(pk=execution), node_id=writer, status="QUEUED", input_data=data)
        except Error:
            say(uncertain=[execution, number])
            connections.close_all()
            rest(0.2)
        else:
            say(committed=[execution, number])
        rest(pause)
    return first + count


def write_and_roll_back(execution: str, count: int) -> None:
    """Changes that are inserted, and never committed."""
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
    """A change whose writer is killed after its commit: "before numbering", or "before announcing"."""

    def die(*args: Any, **kwargs: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    owner, name = {"before numbering": (numbering, "number"), "before announcing": (announcer, "announce")}[moment]
    setattr(owner, name, die)
    # On its own it would be committed with its number.
    with transaction.atomic() if moment == "before numbering" else nullcontext():
        report_node(GraphExecution(pk=execution), node_id="dying", status="QUEUED")
    # The sweep of a server may be faster; then this one is not needed, and looks once more.
    until(lambda: not store.find_unnumbered(1))
    write_and_die(execution, moment)


def burst(execution: str, count: int, batch: int = 50) -> None:
    """Many changes as quickly as the database takes them, `batch` in a transaction."""
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
    """Removes what is older than a moment `days_from_now`. How many events went."""
    stream = Stream.objects.get(key=key)
    return retention.prune(stream.pk, timezone.now() + timedelta(days=days_from_now))


def shift_clock(key: str, days: float, last: int) -> int:
    """The last events of the stream are as if they had been written by a machine whose clock is `days` ahead."""
    stream = Stream.objects.get(key=key)
    return StreamEvent.objects.filter(stream=stream, seq__gt=stream.head - last).update(
        created_at=timezone.now() + timedelta(days=days)
    )


def take_back(key: str, events: int, with_new_epoch: bool) -> int:
    """The stream as a backup had it, `events` earlier; its head. The documented way gives it a new epoch."""
    with transaction.atomic():
        (stream,) = store.lock_streams([key])
        stream.head = max(stream.head - events, stream.floor, 1)  # its execution's start stands in two streams
        # Who refers to the data of what goes is taken back, too, as the whole database would be.
        gone = StreamEvent.objects.filter(stream=stream, seq__gt=stream.head)
        gone.exclude(data_of=None).delete()
        gone.delete()
        if with_new_epoch:
            stream.epoch = new_epoch()
        stream.save()
        return int(stream.head)


def mislay(lost: float = 0.0, held: int = 0) -> None:
    """From now on, announcements of this process get lost or out of order."""
    layer = get_channel_layer()
    layer.lost, layer.held = lost, held


def send_to_group(key: str, message: dict[str, Any]) -> None:
    """A layer message as another version of the program might send it."""
    async_to_sync(get_channel_layer().group_send)(streams.group(key), message)


class _RolledBack(Exception):  # noqa: N818
    """On purpose."""
