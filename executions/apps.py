"""Connects what signals deletions."""

from django.apps import AppConfig


class ExecutionsConfig(AppConfig):
    name = "executions"

    def ready(self) -> None:
        from executions import deletions

        deletions.connect()
