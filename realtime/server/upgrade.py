"""Which requests for a WebSocket are refused, and how: RFC 6455, 4.2. Pure: no connection.

autobahn checks the same later, but answers without a length, and not always as the RFC says. Daphne repeats each
request to it as HTTP/1.1, whatever the client said.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from daphne.utils import HEADER_NAME_RE as TOKEN

VERSION = b"13"


@dataclass(frozen=True)
class Refusal:
    """The answer to a refused request. The text is for people."""

    status: int
    reason: bytes
    text: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


def bad_request(text: str) -> Refusal:
    """A refusal with 400."""
    return Refusal(400, b"Bad Request", text)


def is_upgrade(values: Callable[[bytes], Sequence[bytes]]) -> bool:
    """Whether Daphne takes the request for a WebSocket. `values` returns the values of a header, none if it is absent.
    A request for another protocol is answered without an upgrade, as RFC 9110 (7.8) allows."""
    return [each.lower() for each in values(b"Upgrade")[:1]] == [b"websocket"]


def find_refusal(
    method: bytes, path: bytes, http_version: bytes, values: Callable[[bytes], Sequence[bytes]]
) -> Refusal | None:
    """Why this request for a WebSocket is refused. None if its handshake is complete and correct."""
    if path.startswith(b"//") or b";" in path:
        return bad_request("The path of a WebSocket has no parameters and no host.")  # autobahn would cut them off
    if method != b"GET":
        text = "A WebSocket is opened with GET."
        return Refusal(405, b"Method Not Allowed", text, ((b"Allow", b"GET"),))
    if http_version != b"HTTP/1.1":
        return bad_request("A WebSocket needs HTTP/1.1.")
    if values(b"Transfer-Encoding") or any(each != b"0" for each in values(b"Content-Length")):
        return bad_request("A request for a WebSocket has no body.")
    if b"upgrade" not in {each.strip().lower() for line in values(b"Connection") for each in line.split(b",")}:
        return bad_request('The header Connection does not say "Upgrade".')
    if list(values(b"Sec-WebSocket-Version")) != [VERSION]:
        headers = ((b"Sec-WebSocket-Version", VERSION), (b"Upgrade", b"websocket"))
        return Refusal(426, b"Upgrade Required", "Sec-WebSocket-Version must be 13.", headers)
    keys = values(b"Sec-WebSocket-Key")
    if len(keys) != 1 or not _is_key(keys[0]):
        return bad_request("Sec-WebSocket-Key must be 16 bytes in Base64.")
    protocols = [each.strip() for line in values(b"Sec-WebSocket-Protocol") for each in line.split(b",")]
    if not all(TOKEN.fullmatch(each) for each in protocols) or len(set(protocols)) < len(protocols):
        return bad_request("Sec-WebSocket-Protocol must be a list of different names.")
    return None


def _is_key(key: bytes) -> bool:
    try:
        return len(key) == 24 and len(base64.b64decode(key, validate=True)) == 16
    except binascii.Error:
        return False
