"""Runwire on one machine, with one command: `python -m config.run --host 127.0.0.1 --port 8000`. `make run` calls it.

    on a loopback address   DEBUG is on, and the demo accounts have the passwords that the login page names
    on another address      DEBUG is off, the demo accounts have random passwords, and cookies go over plain HTTP

It migrates the database, makes the demo accounts, and serves. The environment and `.env` win over what it sets.
"""

import argparse
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from config.checks import LOOPBACK
from realtime.server.exposure import is_loopback

ROOT = Path(__file__).resolve().parent.parent
ANY = ("", "0.0.0.0", "::")  # noqa: S104 - to recognise it

NOTICE = """{host} can be reached from other machines. So DEBUG is off, and the demo accounts get random passwords.
There is no HTTPS: passwords and cookies can be read on the way. Use it in a network that you trust.
Names that are served: {names} (ALLOWED_HOSTS= changes them)."""


def defaults(host: str) -> dict[str, str]:
    """The variables of the settings for a server on this address."""
    if is_loopback(host):
        return {"DEBUG": "true"}
    names = [*LOOPBACK, *(own_names() if host in ANY else [as_host(host)])]
    return {"DEBUG": "false", "ALLOWED_HOSTS": ",".join(names), "SECURE_COOKIES": "false", "HSTS_SECONDS": "0"}


def own_names() -> list[str]:
    """The name of this machine, and its address in the network if it is in one."""
    names = [socket.gethostname().lower()]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect(("192.0.2.1", 9))  # of a network for documentation; nothing is sent
        names.append(probe.getsockname()[0])
    return names


def as_host(address: str) -> str:
    return f"[{address}]" if ":" in address else address.lower()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m config.run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (%(default)s)")
    parser.add_argument("--port", default="8000", help="the port to listen on (%(default)s)")
    options = parser.parse_args()

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if (ROOT / ".env").exists():
        environ.Env.read_env(ROOT / ".env")
    is_given = bool(os.environ.get("DEBUG"))
    for name, value in defaults(options.host).items():
        if not os.environ.get(name):  # an empty variable counts as not set
            os.environ[name] = value
    if not is_loopback(options.host):
        print(NOTICE.format(host=options.host, names=os.environ["ALLOWED_HOSTS"]), flush=True)  # noqa: T201

    from django.conf import settings

    try:
        is_debug = settings.DEBUG
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    commands = [["migrate", "--verbosity", "0"], ["serve", "--host", options.host, "--port", options.port]]
    if is_debug and is_loopback(options.host):
        commands.insert(1, ["demo"])
    elif not is_given:  # who sets DEBUG=false has a site with accounts of its own
        commands.insert(1, ["demo", "--random-passwords"])
    for words in commands:
        execute_from_command_line(["manage.py", *words])


if __name__ == "__main__":
    main()
