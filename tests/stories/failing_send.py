"""The project's ASGI application within a middleware that fails: it raises ValueError for each frame with "fail" in it,
whichever way the frame goes out."""

from typing import Any

from config.asgi import application as inner
from realtime.asgi_extension import EXTENSION, OUTLET


class FailingOutlet:
    """The server's cheaper way to send, where it has one."""

    def __init__(self, outlet: Any) -> None:
        self._outlet = outlet
        self.hold, self.release = outlet.hold, outlet.release

    def send(self, text: str | None) -> Any:
        fail(text)
        return self._outlet.send(text)


def fail(text: str | None) -> None:
    if text and '"fail"' in text:
        raise ValueError("This middleware is broken.")


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    async def failing_send(message: dict[str, Any]) -> None:
        fail(message.get("text"))
        await send(message)

    extension = (scope.get("extensions") or {}).get(EXTENSION)
    if extension:
        extension[OUTLET] = FailingOutlet(extension[OUTLET])
    await inner(scope, receive, failing_send)
