"""Connects the app to signals, and registers its system checks."""

from django.apps import AppConfig, apps
from django.core.signals import got_request_exception


class RealtimeConfig(AppConfig):
    name = "realtime"

    def ready(self) -> None:
        from realtime import checks, db  # noqa: F401 - importing the checks registers them

        if apps.is_installed("django.contrib.auth"):
            from realtime.revocation import receivers as changes

            changes.connect()
        if apps.is_installed("executions"):
            from realtime.bridge import access, metrics, receivers, revocation

            access.connect()
            metrics.connect()
            receivers.connect()
            revocation.connect()
        got_request_exception.connect(db.on_request_exception)
