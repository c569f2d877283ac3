"""The ASGI extension between the server and the application of one process. Neither imports the other.

The server gives each socket's scope the dict `scope["extensions"][EXTENSION]` with three keys:

- `LAST_FRAMES`: a dict that the application fills. Its keys are close codes, its values text frames. If the server
  itself closes the socket, it sends the frame of that code first. So the server needs to know no protocol of an
  application.
- `DIRECT_SENDER`: a `DirectSender`, which is cheaper than ASGI's `send`.
- `SEND`: the `send` that the server calls the application with. An application that gets another one is inside a
  middleware that wants to see each frame, and must not use the direct sender.

The server also sets two globals of this module: `is_shutting_down` and `count_sockets`. It starts what the application
has put into `background` when it listens, and stops it when it stops.
Under another server the scope has no such dict, and the globals keep their defaults. There the first socket starts the
background.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

EXTENSION: Final = "realtime.server"
LAST_FRAMES: Final = "last_frames"
DIRECT_SENDER: Final = "direct_sender"
SEND: Final = "send"

logger = logging.getLogger("realtime.server")

is_shutting_down = False
"""Whether the server of this process is shutting down. The server sets it once; it stays True."""

count_sockets: Callable[[], dict[str, Any]] | None = None
"""Returns counts of the server's open sockets, for `/realtime/status`. None under another server."""


class Background(Protocol):
    """Work of the application beside its sockets, in a thread of its own. Neither method waits, and both may be called
    again."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


background: list[Background] = []
"""What a process that serves runs. The application fills it before it serves."""


def start_background() -> None:
    for each in background:
        each.start()


def stop_background() -> None:
    for each in background:
        each.stop()


_has_warned = False  # about another server; once per process


class DirectSender(Protocol):
    """Sends text frames to one socket, as long as that needs no waiting."""

    def send(self, text: str | None) -> bool:
        """Sends a text if that needs no waiting. Returns whether it was sent."""

    def hold(self) -> None:
        """Keeps texts back, so that the next `release` sends them together. The caller must not await in between."""

    def release(self) -> None:
        """Sends the texts that were kept back."""


def get_direct_sender(scope: dict[str, Any], send: object) -> DirectSender | None:
    """The direct sender of a socket. None under another server, and where `send`, with which the application was
    called, is not the server's own."""
    extension = (scope.get("extensions") or {}).get(EXTENSION)
    return extension[DIRECT_SENDER] if extension is not None and extension[SEND] is send else None


def register_last_frames(scope: dict[str, Any], frames: Mapping[int, str]) -> bool:
    """Registers the last frames of a socket, by close code. Returns False under another server, and logs one warning
    per process."""
    global _has_warned
    extension = (scope.get("extensions") or {}).get(EXTENSION)
    if extension is not None:
        extension[LAST_FRAMES].update(frames)
        return True
    if not _has_warned:
        _has_warned = True
        logger.warning(
            "Another server than realtime/server serves the sockets. It has no bounds on memory and slow clients, no "
            "caps, no close codes and no clean stop. Use: python -m realtime.server config.asgi:application "
            '(docs/operations.md, "The server")'
        )
    return False
