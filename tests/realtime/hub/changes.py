"""Changes of the log, and waits for the hub to notice them."""

import asyncio
from datetime import timedelta

from django.utils import timezone

from executions.services import report_node
from realtime.log.retention import prune
from realtime.models import Stream, StreamEvent
from tests.realtime.clients import PATIENCE

NO_SWEEPS = {"SWEEP_INTERVAL": 3_600.0}


def report_nodes(execution, count):
    for number in range(count):
        report_node(execution, node_id=f"n{number}", status="QUEUED")


def report_one_node(execution, statuses):
    for status in statuses:
        report_node(execution, node_id="n", status=status)


def give_another_epoch(key):
    Stream.objects.filter(key=key).update(epoch="another")


def go_back(key, head, **changes):
    """As after a restored backup."""
    StreamEvent.objects.filter(stream__key=key, seq__gt=head).delete()
    Stream.objects.filter(key=key).update(head=head, **changes)


def forget(key):
    StreamEvent.objects.filter(stream__key=key).delete()
    Stream.objects.filter(key=key).delete()


def prune_all(key):
    return prune(Stream.objects.get(key=key).pk, timezone.now() + timedelta(seconds=1))


async def restarted(hub, key):
    """Returns when the stream has begun another history and its readers know."""
    await asyncio.wait({hub.streams[key]._restarting}, timeout=PATIENCE)
