"""The project's ASGI application with a defect: a ValueError for each frame with "fail" in it.

middleware      wraps `send`, as a middleware does
direct_sender   wraps the server's direct sender; `send` is the server's own
"""

from typing import Any

from config.asgi import application as inner
from realtime.asgi_extension import DIRECT_SENDER, EXTENSION


class FailingSender:
    """Wraps the direct sender of the server, if it has one."""

    def __init__(self, direct_sender: Any) -> None:
        self._direct_sender = direct_sender
        self.hold, self.release = direct_sender.hold, direct_sender.release

    def send(self, text: str | None) -> Any:
        fail(text)
        return self._direct_sender.send(text)


def fail(text: str | None) -> None:
    if text and '"fail"' in text:
        raise ValueError("This sender is broken.")


async def middleware(scope: dict[str, Any], receive: Any, send: Any) -> None:
    async def failing_send(message: dict[str, Any]) -> None:
        fail(message.get("text"))
        await send(message)

    await inner(scope, receive, failing_send)


async def direct_sender(scope: dict[str, Any], receive: Any, send: Any) -> None:
    extension = (scope.get("extensions") or {}).get(EXTENSION)
    if extension:
        extension[DIRECT_SENDER] = FailingSender(extension[DIRECT_SENDER])
    await inner(scope, receive, send)
