"""The passwords of the demo accounts are public, so they open nothing when DEBUG is off: not where the database of
`make run` is served in another way, and not where somebody copied it."""

from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from executions.samples import DEMO_ACCOUNTS


class RefuseDemoPasswords:
    """An authentication backend that only refuses. It comes before those that accept."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **others: Any
    ) -> None:
        if not settings.DEBUG and password is not None and DEMO_ACCOUNTS.get(username or "") == password:
            raise PermissionDenied
