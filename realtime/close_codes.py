"""The codes with which the application closes a socket, and what each says to the client (docs/protocol.md). Those of
the server itself, 1009 for a frame that is too large among them, are in `server.py`."""

from enum import IntEnum


class CloseCode(IntEnum):
    NO_CREDENTIALS = 4001  # none were sent, or the cookie is an inactive user's
    UNKNOWN_USER = 4002  # a token without `sub`, or of a user who does not exist
    BAD_TOKEN = 4003  # a bad or expired token, or an inactive user's
