"""Answers of the ASGI middlewares that come before Django."""

from collections.abc import Iterable
from typing import Any


async def respond(
    send: Any, status: int, body: bytes, *, content_type: str, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    """Sends a whole response. No cache may keep it. `headers` come after its own."""
    own = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": [*own, *headers]})
    await send({"type": "http.response.body", "body": body})
