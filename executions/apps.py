"""Connects the handlers that send the signals of deletions, and those that record sessions."""

from django.apps import AppConfig


class ExecutionsConfig(AppConfig):
    name = "executions"

    def ready(self) -> None:
        from executions import deletions
        from executions.web import sessions

        deletions.connect()
        sessions.connect()
