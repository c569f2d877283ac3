"""The fixtures of HTTP: a person who asks, and an execution of hers."""

from tests.realtime.http.conftest import execution, person

__all__ = ["execution", "person"]
