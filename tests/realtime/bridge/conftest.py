"""The fixtures of the HTTP tests: a client of a user, and an execution of that user."""

from tests.realtime.http.conftest import execution, person

__all__ = ["execution", "person"]
