"""Turns of sockets that have more to read than a request or two.

One read of 64 KB can hold ten thousand frames. A socket processes a few of them, and then waits for its next turn. The
event loop gives one turn each time it goes round, so all other work of the process comes between two turns, however
many sockets send that much.
"""

import asyncio
from collections import deque
from collections.abc import Callable


class Turns:
    """The queue of one event loop. First come, first served; a socket that waits again is the last."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._is_given = False  # in this round of the loop

    def take(self) -> bool:
        """Whether the caller may have its turn now: nobody waits, and nobody has had one in this round."""
        if self._waiting or self._is_given:
            return False
        self._is_given = True
        asyncio.get_running_loop().call_soon(self._end_round)
        return True

    def _end_round(self) -> None:
        self._is_given = False

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
