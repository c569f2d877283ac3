"""The limits of HTTP request bodies: their size, their chunks and their time. Daphne reads the whole body before it
calls the application: an upload of 300 MB took 3.6 GB of memory, even if the application would have refused it.

A body that is announced as too long, or turns out to be, gets 413 at once. The server drops the rest of it for a few
seconds without storing it, since a client whose connection is cut while it writes does not read the response.
"""

# ruff: noqa: N802 - Twisted names its hooks
# mypy: disable-error-code="no-untyped-call"

from tempfile import SpooledTemporaryFile
from typing import Any

from daphne.http_protocol import WebRequest
from twisted.internet import reactor
from twisted.web.http import _MalformedChunkedDataError

from realtime.conf import limits

_RESPONSE_HEAD = (
    b"HTTP/1.1 %b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
)
MEMORY_BYTES = 100_000  # of a body in chunks; a longer one goes to a file, as Twisted does with other bodies
LINGER = 3.0  # seconds in which a refused client can read the response
# Each chunk costs ten microseconds, so a body of single bytes would take half a minute.
FREE_CHUNKS = 100
MIN_CHUNK_BYTES = 256  # on average, beyond the free ones


class BoundedRequest(WebRequest):
    """A request with a body of at most `REALTIME["MAX_BODY_BYTES"]`."""

    _received = 0  # bytes
    _chunks: int | None = None  # None: the body has a Content-Length
    is_body_refused = False  # the rest of the body is dropped

    def gotLength(self, length: int | None) -> None:
        # Twisted opens a temporary file for a long body, and for any body in chunks. A refused or short one needs none.
        super().gotLength(length if length is not None and length <= limits.MAX_BODY_BYTES else 0)
        if length is None:
            self.content = SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115 - Twisted closes it
            self._chunks = 0
        elif length > limits.MAX_BODY_BYTES:
            self.refuse_body(b"413 Content Too Large", b"The request is too large.\n")

    def handleContentChunk(self, data: bytes) -> None:
        self._received += len(data)
        if self._chunks is not None:
            self._chunks += 1
            if (self._chunks - FREE_CHUNKS) * MIN_CHUNK_BYTES > self._received:
                raise _MalformedChunkedDataError("too many small chunks")  # the channel answers 400 and closes
        if not self.is_body_refused and self._received > limits.MAX_BODY_BYTES:
            self.refuse_body(b"413 Content Too Large", b"The request is too large.\n")
        if not self.is_body_refused:
            super().handleContentChunk(data)

    def process(self) -> Any:
        return None if self.is_body_refused else super().process()

    def body_due(self, started: float) -> float:
        """When the body must be complete, from what has come by now. The times are of the same clock."""
        allowed = limits.BODY_GRACE + self._received / limits.MIN_BODY_RATE
        return started + float(min(allowed, limits.BODY_DEADLINE))

    def refuse_body(self, status: bytes, text: bytes) -> None:
        """Answers before the body is complete, and closes the connection soon after."""
        self.is_body_refused = True
        transport: Any = self.channel.transport
        transport.write(_RESPONSE_HEAD % (status, len(text)) + text)
        clock: Any = reactor
        timer = clock.callLater(LINGER, transport.abortConnection)
        self.notifyFinish().addBoth(lambda _: timer.active() and timer.cancel())
