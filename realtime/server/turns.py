"""Turns of sockets that have more to read than one socket may process at once.

One read of 64 KB can hold ten thousand frames. A socket processes a few of them, and then waits for its next turn. The
event loop gives one turn each time it goes round, so all other work of the process comes between two turns.
"""

import asyncio
from collections import deque
from collections.abc import Callable


class Turns:
    """The queue of one event loop. First come, first served; a socket that waits again is the last."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()

    def wait(self, take_turn: Callable[[], None]) -> None:
        """Calls `take_turn` later, once."""
        self._waiting.append(take_turn)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._give_turn)

    def _give_turn(self) -> None:
        take_turn = self._waiting.popleft()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._give_turn)
        take_turn()
