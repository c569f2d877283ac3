"""The size limit of HTTP request bodies. Daphne reads the whole body before it calls the application: an upload of
300 MB took 3.6 GB of memory, even if the application would have refused it.

A body that is announced as too long, or turns out to be, gets 413 at once. The server drops the rest of it for a few
seconds without storing it, since a client whose connection is cut while it writes does not read the response.
"""

# ruff: noqa: N802 - Twisted names its hooks
# mypy: disable-error-code="no-untyped-call"

from typing import Any

from daphne.http_protocol import WebRequest
from twisted.internet import reactor

from realtime.conf import limits

LINGER = 3.0  # seconds in which a refused client can read the response

_RESPONSE_BODY = b"The request is too large.\n"
_RESPONSE_HEAD = (
    b"HTTP/1.1 413 Content Too Large\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(_RESPONSE_BODY)
)


class BoundedRequest(WebRequest):
    """A request with a body of at most `REALTIME["MAX_BODY_BYTES"]`."""

    _received = 0  # bytes
    _is_refused = False

    def gotLength(self, length: int | None) -> None:
        # Twisted opens a temporary file for a long body. A refused body needs none.
        super().gotLength(length if length is None or length <= limits.MAX_BODY_BYTES else 0)
        if length is not None and length > limits.MAX_BODY_BYTES:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:
        self._received += len(data)
        if not self._is_refused and self._received > limits.MAX_BODY_BYTES:
            self._refuse()
        if not self._is_refused:
            super().handleContentChunk(data)

    def process(self) -> Any:
        return None if self._is_refused else super().process()

    def _refuse(self) -> None:
        self._is_refused = True
        transport: Any = self.channel.transport
        transport.write(_RESPONSE_HEAD + _RESPONSE_BODY)
        clock: Any = reactor
        timer = clock.callLater(LINGER, transport.abortConnection)
        self.notifyFinish().addBoth(lambda _: timer.active() and timer.cancel())
