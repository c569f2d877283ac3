"""The errors that the client of one socket reports. They are logged, within a rate; the others are counted."""

import logging
from time import monotonic
from typing import Final

from realtime.conf import limits
from realtime.metrics import count
from realtime.throttling import TokenBucket

logger = logging.getLogger(__name__)

MAX_LOGGED: Final = 500  # characters of one report


class ClientErrors:
    """Of one socket."""

    def __init__(self) -> None:
        self._bucket: TokenBucket | None = None  # most clients report none

    def log(self, text: str) -> None:
        if self._bucket is None:
            self._bucket = TokenBucket(limits.CLIENT_ERROR_RATE, limits.CLIENT_ERROR_BURST, monotonic())
        if self._bucket.take(monotonic()):
            count("client_errors")
            # `repr`: a client must not write lines of its own into the log.
            logger.info("A client reports an error: %r", text[:MAX_LOGGED])
        else:
            count("client_errors_dropped")
