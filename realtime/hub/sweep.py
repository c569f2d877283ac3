"""The sweep: every SWEEP_INTERVAL it looks for events without a number, and for heads that are ahead of what was
delivered. It delivers updates even if no layer message ever arrives.

Events without a number are leftovers. Each sweep numbers those of the watched streams first. The others are worked off
beside the sweeps, a batch at a time, so they hold up no sweep.
"""

import asyncio
import logging
from collections.abc import Sequence

from realtime.aio.tasks import detached
from realtime.conf import limits
from realtime.db import in_thread
from realtime.hub.hub import Hub
from realtime.log import store
from realtime.log.types import StreamPosition
from realtime.metrics import count, share
from realtime.publishing.leftovers import number_next, number_watched

logger = logging.getLogger(__name__)


async def sweep_forever(hub: Hub) -> None:
    """Runs until it is cancelled. A sweep that fails is logged."""
    others: asyncio.Task[None] | None = None  # numbers the leftovers of all other streams
    try:
        while True:
            await asyncio.sleep(limits.SWEEP_INTERVAL)
            try:
                share()
                has_leftovers = await sweep(hub)
            except Exception as error:
                count("errors")
                logger.warning("A sweep failed (%r); the next one is in %.1f s", error, limits.SWEEP_INTERVAL)
                continue
            if has_leftovers and (others is None or others.done()):
                others = detached(number_leftovers())
    finally:
        if others:
            others.cancel()


async def sweep(hub: Hub) -> bool:
    """Compares every stream that the hub's sockets watch with the log. Returns whether leftovers were found, of these
    or of other streams."""
    hub.pages.clear()
    streams = {watched.stream.id: watched for watched in hub.streams.values() if watched.stream is not None}
    positions = {id: watched.ordering.position for id, watched in streams.items()}
    has_leftovers, heads = await in_thread(_number_and_read_heads, list(hub.streams), list(streams))
    found = {stream.id: stream for stream in heads}
    ahead = []
    for id, watched in streams.items():
        stream = found.get(id)
        if watched.stream is None or watched.stream.id != id:
            continue  # it was restarted meanwhile
        if stream is None or stream.epoch != watched.stream.epoch or stream.head < positions[id]:
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
    return has_leftovers


def _number_and_read_heads(keys: Sequence[str], stream_ids: Sequence[int]) -> tuple[bool, list[StreamPosition]]:
    """Whether there are leftovers, and the streams as they stand after those of `keys` are numbered. Both in one call
    of a thread, so by one connection."""
    has_leftovers = number_watched(keys)
    return has_leftovers, store.read_heads(stream_ids) if stream_ids else []


async def number_leftovers() -> None:
    """Numbers the leftovers of all streams, and removes the streams that were ended. Each batch is one call of a
    thread, so that sockets get their turn between."""
    try:
        after: str | None = ""
        while after is not None:
            after = await in_thread(number_next, after)
    except Exception as error:
        count("errors")
        logger.warning("Leftovers could not be numbered (%r); the next sweep tries again", error)
