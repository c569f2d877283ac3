"""Connects the app to signals, and registers its system checks."""

from django.apps import AppConfig, apps
from django.core.signals import got_request_exception


class RealtimeConfig(AppConfig):
    name = "realtime"

    def ready(self) -> None:
        from realtime import checks, db, housekeeping  # noqa: F401 - importing the checks registers them

        housekeeping.connect()
        if apps.is_installed("django.contrib.auth"):
            from realtime.revocation import receivers as changes

            changes.connect()
        if apps.is_installed("executions"):
            from realtime.bridge import access, log_budget, metrics, receivers, revocation, sharing
            from realtime.bridge import housekeeping as housekeeping_of_executions

            access.connect()
            log_budget.connect()
            housekeeping_of_executions.connect()
            metrics.connect()
            receivers.connect()
            revocation.connect()
            sharing.connect()
        got_request_exception.connect(db.on_request_exception)
