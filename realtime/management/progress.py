"""Shows the progress of a long command: on a terminal one line that is overwritten, elsewhere a line every 10 s."""

import time
from typing import Any

TERMINAL_INTERVAL, PLAIN_INTERVAL = 0.1, 10.0  # seconds; few lines, since the output may be kept as a log


class ProgressLine:
    """Writes to the `stderr` of a management command.

    progress = ProgressLine(self.stderr)
    progress("120 of 10,000 streams")    any number of times
    progress.end()                       before any other output
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
        """Clears the line on a terminal."""
        if self._width:
            self._out.write("\r" + " " * self._width + "\r", ending="")
            self._out.flush()
            self._width = 0
