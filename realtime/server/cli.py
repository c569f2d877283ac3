"""`python -m realtime.server`: Daphne's command line with the server's defaults and exit codes."""

# mypy: disable-error-code="no-untyped-call"

import argparse
from collections.abc import Sequence
from typing import Any

from daphne.cli import CommandLineInterface
from django.core.exceptions import ImproperlyConfigured

from realtime.server.exposure import DebugExposed, hosts_of, refuse_debug_on
from realtime.server.server import DEFAULTS, CannotListen, LiveServer

HELP = """differences from Daphne:
  The defaults: --websocket_timeout is {websocket_timeout}, --websocket_connect_timeout {websocket_connect_timeout},
  --ping-interval {ping_interval}, --ping-timeout {ping_timeout} (keep it below the interval).
  --websocket-max-message-size and --websocket-max-frame-size are REALTIME["MAX_MESSAGE_BYTES"]
  of the settings (64 KiB) by default. They limit incoming messages, not outgoing ones.
  Close codes: 1009, 1007, 1002 for frames that are too large, not UTF-8, or break the protocol.
  Query strings may hold a token, so no log contains them.

limits, set by REALTIME in the settings (realtime/conf.py has the defaults and the reasons):
  send() waits while a client does not read. A client that takes no byte for STALL_TIMEOUT, or fewer than
  MIN_READ_RATE bytes a second for SLOW_WINDOW, is closed (4013).
  Large messages are sent in pieces of SEND_PIECE_BYTES.
  The server stops reading from a client when INBOUND_MESSAGES or INBOUND_BYTES of it wait for the application.
  More frames than MESSAGE_RATE a second, after a burst of MESSAGE_BURST, or more fragments of a message than
  MAX_FRAGMENTS close the socket (1008). Pings and pongs are frames, too.
  The head of a request must be complete within FIRST_REQUEST_DEADLINE, its body within BODY_GRACE and a second more
  for each MIN_BODY_RATE bytes, and within BODY_DEADLINE.
  At most MAX_HTTP_CONNECTIONS connections of a process without an open socket, MAX_ADDRESS_HTTP_CONNECTIONS of an
  address.
  TRUST_ROOT_PATH_HEADER believes the request header Daphne-Root-Path. The header Server needs --server-name.
  At most MAX_CONNECTIONS sockets of a process and MAX_ADDRESS_CONNECTIONS of an address; more are refused (503).
  SIGTERM closes all sockets within DRAIN_SPREAD (1012) and ends the process within DRAIN_TIMEOUT, plus some seconds
  for the clean-up. A second SIGTERM ends it at once.""".format(**DEFAULTS)


class CLI(CommandLineInterface):
    """Daphne's command line with the server's defaults. Exits with 1 and one line if it cannot listen."""

    description = "Runwire's HTTP/WebSocket server: Daphne with back-pressure and real close codes"

    def __init__(self) -> None:
        super().__init__()
        self.parser.prog = "python -m realtime.server"
        self.parser.epilog = HELP
        self.parser.formatter_class = argparse.RawDescriptionHelpFormatter
        self.parser.set_defaults(**DEFAULTS)

    def run(self, args: Sequence[str]) -> None:
        try:
            super().run(args)
        except (DebugExposed, ImproperlyConfigured) as refused:
            self.parser.exit(1, f"{refused}\n")
        except CannotListen as failure:
            self.parser.exit(1, f"{failure} Choose another port with -p, or address with -b.\n")

    @staticmethod
    def server_class(**options: Any) -> LiveServer:  # type: ignore[override] # Daphne has a class here
        """Called when the application has loaded, and with it the settings."""
        refuse_debug_on(hosts_of(options["endpoints"]))
        return LiveServer(**options)
