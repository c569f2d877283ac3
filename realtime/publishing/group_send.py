"""One send to a group of the channel layer, bounded in time. It never raises: the sweep delivers what is lost."""

import asyncio
import logging
from typing import Any

from realtime.conf import limits
from realtime.metrics import count

logger = logging.getLogger(__name__)

Message = dict[str, Any]


async def group_send(layer: Any, group: str, message: Message) -> None:
    """Sends the message, for at most ANNOUNCE_TIMEOUT seconds. Counts and logs a failure."""
    try:
        async with asyncio.timeout(limits.ANNOUNCE_TIMEOUT):
            await layer.group_send(group, message)
    except Exception as error:
        count("announcements_failed")
        logger.warning("An announcement on %s failed (%r); the sweep delivers its events", group, error)
