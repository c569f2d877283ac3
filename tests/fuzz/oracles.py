"""What must hold for any input, whatever it is."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings

SHORT = settings(
    max_examples=200,
    deadline=None,
    phases=[phase for phase in Phase if phase is not Phase.explain],  # it traces each line, and takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
"""The short form of a target, for pytest. `make fuzz` ignores the number."""
SLOW = settings(SHORT, max_examples=40)
"""For a target whose examples use the database or a connection."""

LONG_REPR = pytest.mark.filterwarnings("ignore:Generating overly large repr")
"""For targets with long inputs."""


class TooMuchWorkError(AssertionError):
    """An input makes the program call more functions than its length allows."""


@contextmanager
def at_most_calls(limit: float) -> Iterator[None]:
    """Inside the block, this thread makes at most `limit` calls of functions, in Python or C. One call more raises an
    error, so an endless loop ends, too."""
    calls = 0

    def on_call(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal calls
        if event in ("call", "c_call"):
            calls += 1
            if calls > limit:
                sys.setprofile(None)
                raise TooMuchWorkError(f"more than {limit:,.0f} calls")

    before = sys.getprofile()
    sys.setprofile(on_call)
    try:
        yield
    finally:
        sys.setprofile(before)


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"{record.name}: {self.format(record)}")


@contextmanager
def no_logged_errors() -> Iterator[None]:
    """Inside the block, nothing is logged as an error: a traceback in the log is an exception that somebody caught."""
    root, handler = logging.getLogger(), _Errors()
    others, root.handlers = root.handlers, [handler]
    try:
        yield
    finally:
        root.handlers = others
    assert not handler.texts, "\n".join(handler.texts)


@contextmanager
def rolled_back() -> Iterator[None]:
    """Inside the block, nothing that is written stays."""
    block = transaction.atomic()
    block._from_testcase = True  # type: ignore[attr-defined] # as in Django's TestCase: a durable block may be inside
    with block:
        yield
        transaction.set_rollback(True)
