"""What `manage.py serve` needs of executions: the embedded runner, and the demo accounts."""

from django.contrib.auth import get_user_model

from executions.runner.runner import EmbeddedRunner
from executions.samples import DEMO_ACCOUNTS

__all__ = ["EmbeddedRunner", "demo_accounts"]


def demo_accounts() -> list[str]:
    """The demo accounts that exist, each as `name / password`."""
    existing = get_user_model()._default_manager.filter(username__in=DEMO_ACCOUNTS).values_list("username", flat=True)
    return [f"{name} / {password}" for name, password in DEMO_ACCOUNTS.items() if name in set(existing)]
