"""Database work of asynchronous tests."""

from collections.abc import Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.db import close_old_connections


def in_db(work: Callable[..., Any]) -> Callable[..., Any]:
    """`await in_db(work)(*args)`: in the thread for such work, which keeps no connection afterwards.

    Not `channels.db.database_sync_to_async`: while a communicator sends or receives, it puts something that does
    nothing in the place of what closes connections there, and two that do so at once leave that there for good.
    """

    def checked(*args: Any, **kwargs: Any) -> Any:
        close_old_connections()
        try:
            return work(*args, **kwargs)
        finally:
            close_old_connections()

    return sync_to_async(checked)
