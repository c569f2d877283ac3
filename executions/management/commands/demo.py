"""`manage.py demo`: creates demo accounts and sample graphs."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from executions.samples import DEMO_ACCOUNTS, SAMPLES, make_sample


class Command(BaseCommand):
    help = "Makes the demo accounts and their sample graphs where they are missing. With DEBUG only."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "Demo accounts have well-known passwords, so they are made with DEBUG only. "
                "Make accounts of your own with `manage.py createsuperuser`."
            )
        with transaction.atomic():
            made = [name for account in DEMO_ACCOUNTS.items() for name in self._make(*account)]
        self.stdout.write(
            f"Made {', '.join(made)}." if made else "The demo accounts and their graphs are there already."
        )
        self.stdout.write(f"Log in as {' or '.join(f'{name} / {word}' for name, word in DEMO_ACCOUNTS.items())}.")

    def _make(self, username: str, password: str) -> list[str]:
        """Makes the missing objects of an account, and returns what they are, in words."""
        made = []
        user = User.objects.filter(username=username).first()
        if user is None:
            make = User.objects.create_superuser if username == "admin" else User.objects.create_user
            user = make(username, password=password)
            made.append(f"the account {username}")
        made += [f"the graph “{sample.name}” of {username}" for sample in SAMPLES if make_sample(sample, user)[1]]
        return made
