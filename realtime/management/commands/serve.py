"""`manage.py serve`: the server and the embedded runner in one process. `make run` calls it.

In production the server is `python -m realtime.server`, which runs no graphs.
"""

import errno
import os
import signal
import socket
from typing import Any

from channels.routing import get_default_application
from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections


class Command(BaseCommand):
    help = "Serves pages and WebSockets, and runs graphs, until Ctrl-C."
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (%(default)s)")
        parser.add_argument("--port", type=int, default=8000, help="the port to listen on (%(default)s)")

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        # The import installs Twisted's reactor for the whole process.
        from realtime.server.exposure import DebugExposed, refuse_debug_on
        from realtime.server.server import CannotListen, serve

        check_address_is_free(host, port)
        try:
            refuse_debug_on([host])
        except DebugExposed as refused:
            raise CommandError(str(refused)) from None
        runner = make_embedded_runner()

        def on_ready() -> None:
            if runner:
                runner.start()
            self.stdout.write(welcome_text(host, port))
            self.stdout.flush()

        signal.signal(signal.SIGTERM, signal.default_int_handler)  # until the server sets its own handlers
        try:
            serve(get_default_application(), host, port, on_ready=on_ready)
        except KeyboardInterrupt:
            # If the exception has passed through an `exec` (a new dataclass runs one), CPython 3.11 remembers it and
            # ends the process by SIGINT instead of its exit code (`run_eval_code_obj`). The next `exec` clears that.
            exec("pass")  # noqa: S102
        except CannotListen as failure:
            raise CommandError(str(failure)) from None
        finally:
            if runner:
                runner.stop()
        connections.close_all()  # now: at exit the pool would warn about an interrupted query
        self.stdout.write("Stopped.")


def make_embedded_runner() -> Any:
    """The runner of graphs. None in a project without the app executions."""
    if not apps.is_installed("executions"):
        return None
    from realtime.bridge.embedded import EmbeddedRunner

    return EmbeddedRunner()


def check_address_is_free(host: str, port: int) -> None:
    """Raises CommandError, with a cure, if no server can listen on the address."""
    if not 0 < port < 65_536:
        raise CommandError(f"{port} is not a port: it must be from 1 to 65535.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            probe.bind(address)
    except socket.gaierror:
        raise CommandError(f"There is no address {host} on this machine.") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CommandError(f"Port {port} is in use by another program: PORT={port + 1} make run") from None
        raise CommandError(f"Cannot listen on {host}, port {port}: {error.strerror}.") from None


def welcome_text(host: str, port: int) -> str:
    """The lines that are printed at the start: the URL, and with DEBUG the demo accounts."""
    shown = "127.0.0.1" if host in ("0.0.0.0", "::", "") else f"[{host}]" if ":" in host else host  # noqa: S104
    lines = [f"Runwire is at http://{shown}:{port}/  (stop it with Ctrl-C)"]
    if settings.DEBUG and apps.is_installed("executions"):
        from realtime.bridge.embedded import demo_accounts

        if accounts := demo_accounts():
            lines.append(f"Log in as {' or as '.join(accounts)}.")
    return "\n".join(lines)
