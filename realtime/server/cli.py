"""`python -m realtime.server`: Daphne's command line, its defaults, and its exit codes."""

# mypy: disable-error-code="no-untyped-call"

import argparse
from collections.abc import Sequence

from daphne.cli import CommandLineInterface

from realtime.server.server import DEFAULTS, CannotListen, LiveServer

HELP = """what differs from Daphne:
  --websocket_timeout is {websocket_timeout} by default, --websocket_connect_timeout {websocket_connect_timeout},
  --ping-interval {ping_interval}, --ping-timeout {ping_timeout} (keep it below the interval).
  --websocket-max-message-size and --websocket-max-frame-size are REALTIME["MAX_MESSAGE_BYTES"]
  of the settings (64 KiB) by default, and limit what comes in, not what goes out.
  Frames too large, not UTF-8 or against the protocol are answered with the close codes 1009, 1007, 1002.
  Query strings, which may hold a token, are in no log.

what it bounds, by REALTIME of the settings (realtime/conf.py has the defaults and the reasons):
  A client that does not read makes send() wait. One that takes no byte for STALL_TIMEOUT, or fewer than MIN_READ_RATE
  a second for SLOW_WINDOW, is closed (4013). Large messages leave in pieces of SEND_PIECE_BYTES.
  A client that sends faster than it is served is not read beyond INBOUND_MESSAGES and INBOUND_BYTES.
  More than MESSAGE_RATE a second, after a burst of MESSAGE_BURST, is closed (1008).
  The head of a request must come within FIRST_REQUEST_DEADLINE.
  MAX_CONNECTIONS sockets a process and MAX_ADDRESS_CONNECTIONS an address; the next one is refused (503).
  SIGTERM closes all sockets within DRAIN_SPREAD (1012), ends after DRAIN_TIMEOUT; a second one ends it.""".format(
    **DEFAULTS
)


class CLI(CommandLineInterface):
    """`python -m realtime.server`: Daphne's command line, its defaults, and its exit codes."""

    description = "Runwire's HTTP/WebSocket server: Daphne with back-pressure and real close codes"
    server_class = LiveServer

    def __init__(self) -> None:
        super().__init__()
        self.parser.prog = "python -m realtime.server"
        self.parser.epilog = HELP
        self.parser.formatter_class = argparse.RawDescriptionHelpFormatter
        self.parser.set_defaults(**DEFAULTS)

    def run(self, args: Sequence[str]) -> None:
        try:
            super().run(args)
        except CannotListen as refusal:
            self.parser.exit(1, f"{refusal} Choose another port with -p, or address with -b.\n")
