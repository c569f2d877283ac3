"""What the server and the application of one process know of each other; `server.py` is never imported for it.

A socket's scope has `scope["extensions"][EXTENSION]` where `realtime/server` serves it: a dict, in which the
application may leave under `LAST_FRAMES` what the server shall send before it closes by itself, by close code; under
`DIRECT_SENDER` it finds a cheaper way to send (`DirectSender`, below). So the server speaks no application's language,
and an application can tell what bounds its connection.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

EXTENSION: Final = "realtime.server"
LAST_FRAMES: Final = "last_frames"
DIRECT_SENDER: Final = "direct_sender"

logger = logging.getLogger("realtime.server")

is_draining = False
"""Whether the server of this process has been told to stop. Set by the server, once."""

figures: Callable[[], dict[str, Any]] | None = None
"""Says how the server's sockets stand. None under another server."""


class DirectSender(Protocol):
    """What sends to one socket where that can be done without waiting."""

    def send(self, text: str | None) -> bool:
        """Sends a text if nobody has to wait for it, and says whether it has."""

    def hold(self) -> None:
        """What is sent from now on goes out together, at the next `release`. Not while anything is waited for."""

    def release(self) -> None:
        """Sends what was held back."""


def direct_sender_of(scope: dict[str, Any]) -> DirectSender | None:
    """The socket's, where its server has one; see above."""
    extension = (scope.get("extensions") or {}).get(EXTENSION)
    return extension[DIRECT_SENDER] if extension is not None else None


def hand_over(scope: dict[str, Any], frames: Mapping[int, str]) -> bool:
    """Leaves the last frames with the server. False under another server, which one line a process says in its log."""
    global _is_said
    extension = (scope.get("extensions") or {}).get(EXTENSION)
    if extension is not None:
        extension[LAST_FRAMES].update(frames)
        return True
    if not _is_said:
        _is_said = True
        logger.warning(
            "Sockets are served by another server than realtime/server: without its bounds on memory and slow "
            "clients, its caps, close codes and clean stop. Cure: python -m realtime.server config.asgi:application "
            '(docs/operations.md, "The server")'
        )
    return False


_is_said = False
