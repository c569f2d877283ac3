"""The process that records and publishes events. Like a worker's, it is an ordinary Django process."""

import asyncio
import gc
import json
import os
import random
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import django

django.setup()

import socketio  # noqa: E402 - Django must be set up before the models load
from asgiref.sync import async_to_sync, sync_to_async  # noqa: E402
from channels.layers import channel_layers, get_channel_layer  # noqa: E402
from channels_redis.core import RedisChannelLayer  # noqa: E402
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import models, transaction  # noqa: E402
from django.db.models.signals import pre_save  # noqa: E402
from django.dispatch import receiver  # noqa: E402
from django.utils import timezone  # noqa: E402
from redis import Redis  # noqa: E402

from bench.child import is_late, pace, serve  # noqa: E402
from executions.models import Graph, GraphExecution, NodeExecution  # noqa: E402
from executions.services import NodeReport, report_all  # noqa: E402
from realtime import streams as keys  # noqa: E402
from realtime.models import Stream, StreamEvent  # noqa: E402

TEXT = "Lorem ipsum dolor sit amet, consectetur. "  # makes a frame of about 700 bytes
SOCKETS_A_USER = 10
nodes: list[NodeExecution] = []


def seed(count: int) -> list[dict[str, Any]]:
    """Makes `count` executions with a node and a stream each. Each user has a session. Returns the execution's id, the
    stream's key and the session's cookie for each execution."""
    call_command("migrate", verbosity=0)
    user_model = get_user_model()
    users = user_model.objects.bulk_create(
        user_model(username=f"user-{number}", password="!") for number in range(-(-count // SOCKETS_A_USER))
    )
    graph = Graph.objects.create(name="Benchmark", owner=users[0])
    now = timezone.now()
    executions, steps, made, answers, cookies = [], [], [], [], []
    for user in users:
        session = SessionStore()
        session[SESSION_KEY], session[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
        session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        session.create()
        cookies.append(session.session_key)
        made.append(Stream(key=keys.notifications(str(user.pk))))
    for number in range(count):
        user = users[number // SOCKETS_A_USER]
        execution = GraphExecution(user=user, graph=graph, status="RUNNING", started_at=now)
        step = NodeExecution(graph_execution=execution, node_id="node", block_id="block", status="RUNNING")
        step.add_time = step.queue_time = step.start_time = now
        step.input_data = {"text": [TEXT]}
        key = keys.graph_exec(str(user.pk), str(execution.pk))
        executions.append(execution)
        steps.append(step)
        made.append(Stream(key=key))
        answers.append({"id": str(execution.pk), "key": key, "cookie": cookies[number // SOCKETS_A_USER]})
    # Without our own managers: these rows exist before the benchmark begins, and must send no events.
    models.QuerySet(GraphExecution).bulk_create(executions, batch_size=1000)
    models.QuerySet(NodeExecution).bulk_create(steps, batch_size=1000)
    Stream.objects.bulk_create(made, batch_size=1000)
    nodes[:] = steps
    # A worker does not hold thousands of rows. The garbage collector takes a tenth of a second to visit all of these,
    # and would delay events by that time.
    gc.collect()
    gc.freeze()
    return answers


def fill(streams: list[int], events: int) -> None:
    """Inserts numbered events directly into the log, as if they had happened while no client was connected."""
    for start in range(0, len(streams), 200):
        rows = []
        for number in streams[start : start + 200]:
            node = nodes[number]
            stream = Stream.objects.get(key=_key(node))
            Stream.objects.filter(pk=stream.pk).update(head=stream.head + events)
            text = _event(node, 0)
            rows += [
                StreamEvent(
                    stream=stream,
                    seq=stream.head + each,
                    entity=str(node.pk),
                    method="node_execution_event",
                    data=text,
                    size=len(text),
                )
                for each in range(1, events + 1)
            ]
        StreamEvent.objects.bulk_create(rows, batch_size=2000)


def clear() -> None:
    """Deletes all events. The streams stay, with head and floor 0."""
    StreamEvent.objects.all().delete()
    Stream.objects.update(head=0, floor=0)


def _key(node: NodeExecution) -> str:
    return keys.graph_exec(str(node.graph_execution.user_id), str(node.graph_execution_id))


def _event(node: NodeExecution, number: int) -> str:
    node.output_data = {"bench": [number], "text": [TEXT]}
    return node.to_event().model_dump_json()


def _frame(node: NodeExecution, number: int) -> str:
    """The frame that Runwire sends, without the number. Peers send the same."""
    return (
        f'{{"method":"node_execution_event","data":{_event(node, number)},"success":null,'
        f'"channel":"{_key(node)}","error":null}}'
    )


def publish(how: str, streams: list[int], count: int, rate: float, layer: str = "") -> dict[str, Any]:
    """Publishes up to `count` events, to the streams in turn, or fewer if it is much too slow (`is_late`). `how` is a
    target's `publisher`. Each publisher saves the row first, as users do; those of peers use Django's plain save.
    Returns the times at which the events were committed (for peers: published), and the events a second."""
    plan = [(number, nodes[streams[number % len(streams)]]) for number in range(count)]
    times: list[float] = []
    if how == "channels":
        asyncio.run(_publish_on_layer(plan, rate, layer, times))
    else:
        send = {
            "runwire": lambda: _save,
            "frames": lambda: _to_redis("exec", _frame),
            "events": lambda: _to_redis("event", _event),  # in the FastAPI design the server serialises
            "socketio": _to_socketio,
        }[how]()
        for number in pace(count, rate):
            send(plan[number][1], number, times)
    seconds = times[-1] - times[0] if len(times) > 1 else 1.0
    return {"times": times, "rate": (len(times) - 1) / seconds}


_commits: list[float] = []  # times of commits, not yet read by `_save`


def _save(node: NodeExecution, number: int, times: list[float]) -> None:
    node.output_data = {"bench": [number], "text": [TEXT]}
    node.save()
    times.append(_commits.pop())


@receiver(pre_save, sender=NodeExecution)  # sent inside the save's transaction
def _note_commit(**kwargs: Any) -> None:
    transaction.on_commit(lambda: _commits.append(time.monotonic()))  # registered, so it runs, before Runwire's own


def _to_redis(channel: str, text_of: Callable[[NodeExecution, int], str]) -> Callable[..., None]:
    redis = Redis.from_url(os.environ["REDIS_URL"])

    def send(node: NodeExecution, number: int, times: list[float]) -> None:
        text = text_of(node, number)
        _plain_save(node)
        times.append(time.monotonic())
        redis.publish(f"{channel}/{node.graph_execution_id}", text)

    return send


def _to_socketio() -> Callable[..., None]:
    manager = socketio.RedisManager(os.environ["REDIS_URL"], write_only=True)

    def send(node: NodeExecution, number: int, times: list[float]) -> None:
        data = json.loads(_frame(node, number))
        _plain_save(node)
        times.append(time.monotonic())
        manager.emit("event", data, room=str(node.graph_execution_id))

    return send


async def _publish_on_layer(plan: list[Any], rate: float, name: str, times: list[float]) -> None:
    layer = (
        RedisChannelLayer([{"address": os.environ["REDIS_URL"], "socket_timeout": None}])
        if name == "Redis core"
        else channel_layers.make_backend("default")
    )
    start = time.monotonic()
    for number, node in plan:
        text = _frame(node, number)
        await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))
        if is_late(start, count=len(plan), rate=rate):
            return
        await sync_to_async(_plain_save)(node)
        times.append(time.monotonic())
        await layer.group_send(f"exec.{node.graph_execution_id}", {"type": "node.execution", "text": text})


# The cost of recording


def record(times: int) -> dict[str, dict[str, float]]:
    """Measures the caller's milliseconds of time and of CPU (of this process) an event. Each way has about `times`
    turns, a batch a tenth of that. Returns the medians."""
    layer, node = get_channel_layer(), nodes[0]

    def plain() -> None:
        node.output_data = {"bench": [0], "text": [TEXT]}
        _plain_save(node)

    def with_group_send() -> None:
        plain()
        message = {"type": "node.execution", "text": _frame(node, 0)}
        async_to_sync(layer.group_send)(f"exec.{node.graph_execution_id}", message)

    def recorded() -> None:
        node.output_data = {"bench": [0], "text": [TEXT]}
        node.save()

    def batch() -> None:
        data = {"bench": [0], "text": [TEXT]}
        report_all(
            [
                NodeReport(
                    each.graph_execution,
                    node_id=each.node_id,
                    node_exec_id=each.pk,
                    status=each.status,
                    output_data=data,
                )
                for each in nodes[:100]
            ]
        )

    ways = {"plain": plain, "group_send": with_group_send, "recorded": recorded, "batch": batch}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for turn in range(times + 5):
        for name, way in random.sample(list(ways.items()), len(ways)):  # so that the order varies
            if name == "batch" and turn % 10:
                continue
            events = 100 if name == "batch" else 1
            cpu, began = time.process_time(), time.perf_counter()
            way()
            seconds = time.perf_counter() - began
            if turn >= 5 or (name == "batch" and turn):  # the first turns open connections
                found[name].append((seconds * 1000 / events, (time.process_time() - cpu) * 1000 / events))
    return {
        name: {"ms": median(each[0] for each in costs), "cpu_ms": median(each[1] for each in costs)}
        for name, costs in found.items()
    }


def _plain_save(node: NodeExecution) -> None:
    """Saves the row as Django itself does, without any code of ours."""
    with transaction.atomic():
        models.Model.save_base(_Plain.of(node), update_fields=None, force_update=True)


class _Plain:
    """The same row as a model without signals. Its class is made at the first use."""

    _class: Any = None

    @classmethod
    def of(cls, node: NodeExecution) -> Any:
        if cls._class is None:
            fields = {field.name: field.clone() for field in NodeExecution._meta.local_fields}
            for name in ("graph_execution",):
                fields[name] = models.ForeignKey(GraphExecution, models.DO_NOTHING, related_name="+", db_index=False)
            meta = type(
                "Meta", (), {"app_label": "executions", "managed": False, "db_table": NodeExecution._meta.db_table}
            )
            attributes = {**fields, "Meta": meta, "__module__": __name__}
            cls._class = type("PlainNodeExecution", (models.Model,), attributes)
        names = [field.attname for field in cls._class._meta.concrete_fields]
        return cls._class(**{name: getattr(node, name) for name in names})


if __name__ == "__main__":
    commands = (seed, fill, clear, publish, record)
    serve({command.__name__: command for command in commands})
