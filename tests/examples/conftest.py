"""Fixtures for the examples: they run as processes of their own, against a server that is one, too."""

from tests.stories.conftest import servers

__all__ = ["servers"]
