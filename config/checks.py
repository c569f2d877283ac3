"""System checks of the site, for `manage.py check --deploy`. Django's own checks find the rest: DEBUG, a weak key,
cookies without HTTPS, no HSTS.

    config.W001  only this machine can reach the site
    config.W002  a demo account with its publicly known password
    config.W003  static files that are not collected
    config.I001  the database does not answer, so its accounts could not be checked
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Info, register
from django.core.checks import Warning as CheckWarning
from django.db import Error, connection

LOOPBACK: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")  # as ALLOWED_HOSTS has them


@register("config", deploy=True)
def check_hosts(app_configs: Any, **options: Any) -> Iterator[CheckMessage]:
    """W001."""
    if set(settings.ALLOWED_HOSTS) <= {*LOOPBACK}:
        yield CheckWarning(
            "ALLOWED_HOSTS has only the names of this machine: requests and sockets for any other host are refused.",
            hint="Set ALLOWED_HOSTS to the host names of the site, such as ALLOWED_HOSTS=runs.example.com.",
            id="config.W001",
        )


@register("config", deploy=True)
def check_demo_accounts(app_configs: Any, **options: Any) -> Iterator[CheckMessage]:
    """W002, I001."""
    from django.contrib.auth.hashers import check_password

    from executions.samples import DEMO_ACCOUNTS

    try:
        hashes = _password_hashes(list(DEMO_ACCOUNTS))
    except Error as error:
        yield Info(
            f"The database does not answer ({type(error).__name__}), so nothing is known about its demo accounts.",
            hint="Run this check again where the database answers.",
            id="config.I001",
        )
        return
    known = [name for name, password in hashes.items() if check_password(DEMO_ACCOUNTS[name], password)]
    for name in sorted(known):
        yield CheckWarning(
            f"The account {name} has the password of the demo, which everybody knows. It opens nothing while DEBUG is "
            "off.",
            hint=f"Delete the account in the admin, or run `manage.py changepassword {name}`.",
            id="config.W002",
        )


@register("config", deploy=True)
def check_static_files(app_configs: Any, **options: Any) -> Iterator[CheckMessage]:
    """W003."""
    if not settings.DEBUG and settings.WHITENOISE_USE_FINDERS:
        yield CheckWarning(
            "The static files are not collected: browsers cannot keep them, and they are not compressed.",
            hint="Run `manage.py collectstatic --no-input`, then restart the servers.",
            id="config.W003",
        )


def _password_hashes(names: list[str]) -> dict[str, str]:
    """By account. On a connection of its own without the pool, which would wait long for a database that is away."""
    if connection.vendor == "sqlite" and not Path(str(connection.settings_dict["NAME"])).exists():
        return {}  # to connect would make the file
    own = connection.copy()
    own.settings_dict["OPTIONS"].pop("pool", None)
    places = ", ".join(["%s"] * len(names))
    try:
        with own.cursor() as cursor:
            if "auth_user" not in own.introspection.table_names(cursor):
                return {}  # not migrated yet; the checks of Django 6.1 make an empty file for SQLite
            cursor.execute(f"SELECT username, password FROM auth_user WHERE username IN ({places})", names)  # noqa: S608
            return dict(cursor.fetchall())
    finally:
        own.close()
