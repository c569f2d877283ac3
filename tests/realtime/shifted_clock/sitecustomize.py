"""A wall clock that a test can set, for a Python process with this folder on its PYTHONPATH. Python imports the file
before everything else. The number in the file of $TEST_CLOCK_SHIFT is added to the time, in seconds."""

import os
import time
from pathlib import Path

_shift = Path(os.environ["TEST_CLOCK_SHIFT"])
_time, _time_ns = time.time, time.time_ns


def _seconds() -> int:
    return int(_shift.read_text())


time.time = lambda: _time() + _seconds()
time.time_ns = lambda: _time_ns() + _seconds() * 10**9
