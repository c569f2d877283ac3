"""Timers for proofs that end by themselves: tokens and sessions."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from realtime.conf import limits


class Expiry:
    """`on_end` is called with the user's id when a proof ends. A proof that ends later than the next checks has no
    timer yet: a check sets it."""

    def __init__(self, on_end: Callable[[str], None]) -> None:
        self._on_end = on_end
        self._timers: dict[Any, asyncio.TimerHandle] = {}  # by socket

    def set(self, socket: Any, user_id: str, expires_at: float | None) -> None:
        """`expires_at` is in seconds since 1970; None cancels the timer."""
        if timer := self._timers.pop(socket, None):
            timer.cancel()
        seconds = None if expires_at is None else expires_at - time.time()
        if seconds is not None and seconds < 2 * limits.RECHECK_INTERVAL:
            loop = asyncio.get_running_loop()
            self._timers[socket] = loop.call_later(max(seconds, 0.0), self._on_end, user_id)
