"""What `manage.py serve` needs of executions: their embedded runner, and the accounts of the demo."""

from django.contrib.auth import get_user_model

from executions.runner.runner import EmbeddedRunner
from executions.samples import DEMO_ACCOUNTS

__all__ = ["EmbeddedRunner", "demo_accounts"]


def demo_accounts() -> list[str]:
    """Those that are there, each as `name / password`."""
    there = get_user_model()._default_manager.filter(username__in=DEMO_ACCOUNTS).values_list("username", flat=True)
    return [f"{name} / {password}" for name, password in DEMO_ACCOUNTS.items() if name in set(there)]
