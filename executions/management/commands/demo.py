"""`manage.py demo`: creates demo accounts and sample graphs."""

import secrets
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from executions.samples import DEMO_ACCOUNTS, SAMPLES, make_sample


class Command(BaseCommand):
    help = (
        "Makes the demo accounts and their sample graphs where they are missing. Their passwords are publicly known, "
        "so this needs DEBUG, or --random-passwords."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--random-passwords",
            action="store_true",
            help="give new accounts, and those that have a known password, a random one, and print it",
        )

    def handle(self, *args: Any, random_passwords: bool, **options: Any) -> None:
        if not settings.DEBUG and not random_passwords:
            raise CommandError(
                "Demo accounts have well-known passwords, so they are made with DEBUG only. Set DEBUG=true on a "
                "machine for development, or use --random-passwords. Make accounts of your own with "
                "`manage.py createsuperuser`."
            )
        made: list[str] = []
        words: dict[str, str] = {}  # passwords that are shown
        with transaction.atomic():
            for name, known in DEMO_ACCOUNTS.items():
                word = secrets.token_urlsafe(12) if random_passwords else known
                user = User.objects.filter(username=name).first()
                if user is None:
                    make = User.objects.create_superuser if name == "admin" else User.objects.create_user
                    user = make(name, password=word)
                    made.append(f"the account {name}")
                    words[name] = word
                elif user.check_password(known):
                    if random_passwords:
                        user.set_password(word)
                        user.save(update_fields=["password"])
                    words[name] = word
                made += [f"the graph “{sample.name}” of {name}" for sample in SAMPLES if make_sample(sample, user)[1]]
        self.stdout.write(
            f"Made {', '.join(made)}." if made else "The demo accounts and their graphs are there already."
        )
        if words:
            self.stdout.write(f"Log in as {' or '.join(f'{name} / {word}' for name, word in words.items())}.")
        if changed := [name for name in DEMO_ACCOUNTS if name not in words]:
            self.stdout.write(
                f"{' and '.join(changed)}: the password stays as it was. `manage.py changepassword NAME` sets another."
            )
