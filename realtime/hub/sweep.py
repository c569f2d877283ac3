"""The sweep: every SWEEP_INTERVAL it looks for events without a number, and for heads that are ahead of what was
delivered. It delivers updates even if no layer message ever arrives."""

import asyncio
import logging
from collections.abc import Sequence

from realtime.conf import limits
from realtime.db import in_thread
from realtime.hub.hub import Hub
from realtime.log import store
from realtime.log.types import StreamPosition
from realtime.metrics import count, share
from realtime.publishing.after_commit import number_and_announce

logger = logging.getLogger(__name__)


async def sweep_forever(hub: Hub) -> None:
    """Runs until it is cancelled. A sweep that fails is logged."""
    while True:
        await asyncio.sleep(limits.SWEEP_INTERVAL)
        try:
            share()
            await sweep(hub)
        except Exception as error:
            count("errors")
            logger.warning("A sweep failed (%r); the next one is in %.1f s", error, limits.SWEEP_INTERVAL)


async def sweep(hub: Hub) -> None:
    """Compares every stream that the hub's sockets watch with the log."""
    hub.pages.clear()
    streams = {watched.stream.id: watched for watched in hub.streams.values() if watched.stream is not None}
    positions = {id: watched.ordering.position for id, watched in streams.items()}
    found = {stream.id: stream for stream in await in_thread(_number_and_read_heads, list(streams))}
    ahead = []
    for id, watched in streams.items():
        stream = found.get(id)
        if watched.stream is None or watched.stream.id != id:
            continue  # it was restarted meanwhile
        if stream is None:
            hub.end(watched)
        elif stream.epoch != watched.stream.epoch or stream.head < positions[id]:
            watched.restart()
        elif stream.head > watched.ordering.position:
            ahead.append((watched, stream.head))
    if ahead:
        # An announcement may be on its way. What is missing after the grace period is lost.
        await asyncio.sleep(limits.SWEEP_GRACE)
        for watched, head in ahead:
            if head > watched.ordering.position:
                count("heads_repaired")
                watched.repair(head)


def _number_and_read_heads(stream_ids: Sequence[int]) -> list[StreamPosition]:
    """The streams as they stand after all events are numbered. Both in one call of a thread, so by one connection."""
    _number_leftovers()
    return store.read_heads(stream_ids) if stream_ids else []


def _number_leftovers() -> None:
    """Numbers and announces the events of a writer that died after its commit. A stream that cannot be numbered does
    not hold up the others."""
    keys = store.find_unnumbered(limits.SWEEP_BATCH)
    for key in keys:
        try:
            number_and_announce([key])
            count("streams_numbered_late")
        except Exception:
            count("numbering_failed")
            logger.exception("The events of %s stay unnumbered; the next sweep tries again", key)
