"""Tasks that belong to the process, not to the socket that starts them."""

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any


def detached(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task of the process, not of the socket that happened to start it: it begins in an empty context."""
    return asyncio.get_running_loop().create_task(work, context=contextvars.Context())
