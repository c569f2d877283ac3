"""What tests of announcements between processes share."""

from typing import Any

import msgpack
import redis as redis_client

from tests.realtime.publishing.announcements import TIMEOUT
from tests.servers import Redis

SETUP = """
import os, sys
import django
django.setup()
from realtime.publishing import announcer
from realtime.publishing.announcer import announce
from realtime.log.types import LogEvent, NumberedEvents
def order(number):
    return NumberedEvents("u1|orders#7", "epoch", [LogEvent(number, "order_changed", "{}")])
"""


class Subscriber:
    """Receives the announcements that any process sends through this Redis."""

    def __init__(self, redis: Redis) -> None:
        self._client = redis_client.Redis(port=redis.port)
        self._pubsub = self._client.pubsub()
        self._pubsub.psubscribe("*")
        assert self._next()["type"] == "psubscribe"

    def _next(self) -> Any:
        message = self._pubsub.get_message(timeout=TIMEOUT)
        assert message, "nothing has arrived"
        return message

    def next(self) -> Any:
        """The next announcement."""
        return msgpack.unpackb(self._next()["data"])

    def close(self) -> None:
        self._pubsub.close()
        self._client.close()
