"""Lets a test set the wall clock of a Python process that has this folder on its PYTHONPATH.

Python imports this file before the program. $TEST_CLOCK_SHIFT names a file with a number of seconds, which are added to
the time.
"""

import os
import time
from pathlib import Path

_shift = Path(os.environ["TEST_CLOCK_SHIFT"])
_time, _time_ns = time.time, time.time_ns


def _seconds() -> int:
    return int(_shift.read_text())


time.time = lambda: _time() + _seconds()
time.time_ns = lambda: _time_ns() + _seconds() * 10**9
