"""Connects realtime to what it listens to."""

from django.apps import AppConfig


class RealtimeConfig(AppConfig):
    name = "realtime"

    def ready(self) -> None:
        from realtime import checks, receivers  # noqa: F401 - importing the checks registers them

        receivers.connect()
