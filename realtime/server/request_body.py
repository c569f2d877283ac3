"""How long an HTTP request's body may be. Daphne takes in the whole of it before it asks the application: an upload of
300 MB became 3.6 GB of its memory, whatever the application would have said to it.

A body that says that it is too long, or turns out to be, is answered 413 at once. What still comes in of it is dropped
unseen for a few seconds, since a client whose connection is cut while it writes does not read the answer.
"""

# ruff: noqa: N802 - Twisted names its hooks
# mypy: disable-error-code="no-untyped-call"

from typing import Any

from daphne.http_protocol import WebRequest
from twisted.internet import reactor

from realtime.conf import limits

LINGER = 3.0
"""Seconds that a refused client has to read why."""

_ANSWER = b"The request is too large.\n"
_HEAD = (
    b"HTTP/1.1 413 Content Too Large\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(_ANSWER)
)


class BoundedRequest(WebRequest):
    """A request whose body has at most `REALTIME["MAX_BODY_BYTES"]`."""

    _received = 0
    _is_refused = False

    def gotLength(self, length: int | None) -> None:
        # Where the body will be refused, nothing is kept of it, whatever its length.
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
        transport.write(_HEAD + _ANSWER)
        clock: Any = reactor
        timer = clock.callLater(LINGER, transport.abortConnection)
        self.notifyFinish().addBoth(lambda _: timer.active() and timer.cancel())
