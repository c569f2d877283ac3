"""Connects the handlers that send the signals of deletions, and those that record sessions. Registers the checks."""

from django.apps import AppConfig


class ExecutionsConfig(AppConfig):
    name = "executions"

    def ready(self) -> None:
        from executions import checks, deletions  # noqa: F401 - importing the checks registers them
        from executions.web import sessions

        deletions.connect()
        sessions.connect()
