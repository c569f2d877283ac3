"""Connects the handlers that send the signals of deletions."""

from django.apps import AppConfig


class ExecutionsConfig(AppConfig):
    name = "executions"

    def ready(self) -> None:
        from executions import deletions

        deletions.connect()
