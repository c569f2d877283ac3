"""One HTTP request, checked before Daphne passes it on, and with answers that do not name the software.

A request is answered and its connection closed if a proxy could have read it differently: then the rest of the
connection may be another client's.
"""

# ruff: noqa: N802 - Twisted names its hooks
# mypy: disable-error-code="no-untyped-call"

import re
from collections.abc import Sequence
from typing import Any

from realtime.conf import limits
from realtime.metrics import count
from realtime.server.request_body import BoundedRequest
from realtime.server.upgrade import Refusal, bad_request, find_refusal, is_upgrade

ABSOLUTE_FORM = re.compile(rb"https?://([^/?#@]+)([/?].*)?", re.IGNORECASE)


class LiveRequest(BoundedRequest):
    """One HTTP request."""

    def __init__(self, channel: Any, *queued: Any) -> None:
        # Nobody uses Twisted's own reading of forms. It takes the event loop a second for a large one.
        super().__init__(channel, *queued, parsePOSTFormSubmission=False)

    def __repr__(self) -> str:  # Daphne logs it for a request that takes too long to end
        method, path = self.method.decode("latin-1"), self.uri.partition(b"?")[0].decode("latin-1")
        return f"<{type(self).__name__} {method} {path} client={self.client_addr!r}>"

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        absolute = ABSOLUTE_FORM.fullmatch(path)
        if absolute:  # RFC 9112, 3.2.2: its authority replaces Host
            rest = absolute[2] or b"/"
            path = rest if rest.startswith(b"/") else b"/" + rest
            self.requestHeaders.setRawHeaders(b"Host", [absolute[1]])
        super().requestReceived(command, path, version)

    def process(self) -> Any:
        if self.is_body_refused:
            return None
        if not limits.TRUST_ROOT_PATH_HEADER:
            self.requestHeaders.removeHeader(b"Daphne-Root-Path")
        refusal = self._find_refusal()
        if refusal is None:
            return super().process()
        count("requests_refused")
        if hasattr(self.client, "host"):
            self.client_addr = [str(self.client.host), self.client.port]  # for the log
        for name, value in refusal.headers:
            self.setHeader(name, value)
        self.basic_error(refusal.status, refusal.reason, refusal.text)
        return None

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """Answers in plain text, and closes the connection. Daphne's page names Daphne."""
        if self.finished or self.channel is None:
            return
        self.channel.persistent = False
        self.setHeader(b"Connection", b"close")
        text = f"{status} {status_text.decode()}\n{body}\n".encode()
        headers = [(b"Content-Type", b"text/plain; charset=utf-8"), (b"Content-Length", b"%d" % len(text))]
        self.handle_reply({"type": "http.response.start", "status": status, "headers": headers})
        self.code_message = status_text  # Twisted does not know 426
        self.handle_reply({"type": "http.response.body", "body": text})

    def _find_refusal(self) -> Refusal | None:
        is_path = self.uri.startswith(b"/") and b"#" not in self.uri
        if not is_path and (self.method, self.uri) != (b"OPTIONS", b"*"):
            return bad_request("The target must be a path.")
        hosts = self._values(b"Host")
        if len(hosts) > 1 or (not hosts and self.clientproto == b"HTTP/1.1"):
            return bad_request("A request has one header Host.")
        if not all(value.isascii() for name in self._proxy_headers for value in self._values(name)):
            return bad_request("A header that a proxy sets is not ASCII.")
        encodings = self._values(b"Transfer-Encoding")
        if encodings and (
            [each.lower() for each in encodings] != [b"chunked"]
            or self._values(b"Content-Length")
            or self.clientproto != b"HTTP/1.1"
        ):
            return bad_request("Transfer-Encoding must be chunked, without Content-Length, in HTTP/1.1.")
        if not is_upgrade(self._values):
            return None
        return find_refusal(self.method, self.path, self.clientproto, self._values)

    @property
    def _proxy_headers(self) -> list[bytes]:
        """The headers that Daphne believes, if it believes any."""
        if not self.server.proxy_forwarded_address_header:
            return []
        kinds = ("address", "port", "proto")
        names = [getattr(self.server, f"proxy_forwarded_{kind}_header") for kind in kinds]
        return [name.encode() for name in names if name]

    def _values(self, name: bytes) -> Sequence[bytes]:
        return self.requestHeaders.getRawHeaders(name) or []
