"""The sweep: every SWEEP_INTERVAL, what did no hint tell us of? Events left without a number, and heads that are ahead
of what was handed on. Updates arrive by it even if no layer message ever does."""

import asyncio
import logging
from collections.abc import Sequence

from realtime.conf import limits
from realtime.db import in_thread
from realtime.hub.hub import Hub
from realtime.log import store
from realtime.log.types import StreamPosition
from realtime.metrics import count
from realtime.publishing.after_commit import number_and_announce

logger = logging.getLogger(__name__)


async def sweep_forever(hub: Hub) -> None:
    """Runs until it is cancelled; a sweep that fails is logged, and the next one comes."""
    while True:
        await asyncio.sleep(limits.SWEEP_INTERVAL)
        try:
            await sweep(hub)
        except Exception as error:
            count("errors")
            logger.warning("A sweep failed (%r); the next one is in %.1f s", error, limits.SWEEP_INTERVAL)


async def sweep(hub: Hub) -> None:
    """One look at everything that the hub's sockets watch."""
    hub.pages.clear()
    watched = {live.stream.id: live for live in hub.streams.values() if live.stream is not None}
    positions = {id: live.ordering.position for id, live in watched.items()}
    found = {stream.id: stream for stream in await in_thread(_look, list(watched))}
    ahead = []
    for id, live in watched.items():
        stream = found.get(id)
        if live.stream is None or live.stream.id != id:
            continue  # it was started again meanwhile
        if stream is None:
            hub.end(live)
        elif stream.epoch != live.stream.epoch or stream.head < positions[id]:
            live.restart()
        elif stream.head > live.ordering.position:
            ahead.append((live, stream.head))
    if ahead:
        # An announcement may be on its way: only what is still missing after the grace was lost.
        await asyncio.sleep(limits.SWEEP_GRACE)
        for live, head in ahead:
            if head > live.ordering.position:
                count("heads_repaired")
                live.mend(head)


def _look(stream_ids: Sequence[int]) -> list[StreamPosition]:
    """The streams as they stand, with all that is numbered: in one turn of a thread, and by one connection."""
    _settle_unnumbered()
    return store.read_heads(stream_ids) if stream_ids else []


def _settle_unnumbered() -> None:
    """Finishes what a writer that died after its commit has left behind. A stream that cannot be numbered must not hold
    up the others."""
    keys = store.find_unnumbered(limits.SWEEP_BATCH)
    if not keys:
        return
    for key in keys:
        try:
            number_and_announce([key])
        except Exception:
            count("numbering_failed")
            logger.exception("The events of %s stay unnumbered; the next sweep tries again", key)
