"""The progress line of long commands."""

from io import StringIO

import pytest
from django.core.management.base import OutputWrapper

from realtime.management import progress as progress_module
from realtime.management.progress import ProgressLine


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A list with the time as its only element."""
    now = [100.0]
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now[0])
    return now


def test_on_a_terminal_one_line_is_overwritten(clock: list[float]) -> None:
    out = Terminal()
    progress = ProgressLine(OutputWrapper(out))
    progress("10 of 12")
    clock[0] += 1
    progress("9")
    progress.end()
    assert out.getvalue() == "\r10 of 12\r9       \r" + " " * 1 + "\r"
    assert "\n" not in out.getvalue()


def test_elsewhere_a_line_is_written_every_ten_seconds(clock: list[float]) -> None:
    out = StringIO()
    progress = ProgressLine(OutputWrapper(out))
    for second in range(25):
        progress(f"{second} of 25")
        clock[0] += 1
    progress.end()
    assert out.getvalue() == "10 of 25\n20 of 25\n"


def test_on_a_terminal_updates_within_a_tenth_of_a_second_are_skipped(clock: list[float]) -> None:
    out = Terminal()
    progress = ProgressLine(OutputWrapper(out))
    for number in range(100):
        progress(str(number))
    assert out.getvalue() == "\r0"
