"""Which exceptions of a server's `send` say that the connection is gone, and how a failed socket is closed."""

import sys
from collections.abc import Callable, Coroutine
from typing import Any

from realtime.wire.close_codes import INTERNAL_ERROR

Send = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]
"""A server's `send`, as ASGI defines it."""


def is_connection_lost(error: Exception) -> bool:
    """Whether a server reports with this exception that the connection is gone.

    - The ASGI specification requires an OSError. uvicorn's ClientDisconnected is one.
    - uvicorn raises a RuntimeError for a send after the end of a connection.
    - autobahn, under Daphne, raises Disconnected.
    - realtime/server and hypercorn raise nothing.
    """
    is_after_close = isinstance(error, RuntimeError) and "after sending 'websocket.close'" in str(error)
    autobahn = sys.modules.get("autobahn.exception")  # imported only where Daphne serves
    is_disconnected = autobahn is not None and isinstance(error, autobahn.Disconnected)
    return is_after_close or is_disconnected or isinstance(error, OSError)


async def close_failed(send: Send, error: Exception) -> None:
    """Closes a socket that has failed with `error`, with 1011. Under Daphne an application cannot send this code: there
    `error` is raised, and the server sends the code for an application that ends with an exception."""
    try:
        await send({"type": "websocket.close", "code": INTERNAL_ERROR})
    except Exception as refusal:
        if not is_connection_lost(refusal):
            raise error from None
