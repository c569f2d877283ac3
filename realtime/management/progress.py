"""How a long command shows where it is: a line that is written over on a terminal, a line now and then elsewhere."""

import time
from typing import Any

TERMINAL_INTERVAL, PLAIN_INTERVAL = 0.1, 10.0  # seconds; a log that somebody keeps is not filled


class Progress:
    """Lines for people who wait.

    progress = Progress(self.stderr)
    progress("120 of 10,000 streams")    as often as one likes
    progress.end()                       before anything else is written
    """

    def __init__(self, out: Any) -> None:
        self._out = out
        self._is_terminal = bool(out.isatty())
        self._next = 0.0 if self._is_terminal else time.monotonic() + PLAIN_INTERVAL
        self._width = 0

    def __call__(self, line: str) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        if self._is_terminal:
            self._out.write("\r" + line.ljust(self._width), ending="")
            self._width = len(line)
            self._next = now + TERMINAL_INTERVAL
        else:
            self._out.write(line)
            self._next = now + PLAIN_INTERVAL
        self._out.flush()

    def end(self) -> None:
        """Wipes the line off a terminal."""
        if self._width:
            self._out.write("\r" + " " * self._width + "\r", ending="")
            self._out.flush()
            self._width = 0
