"""The codes with which the application closes a socket, and what each says to the client (docs/protocol.md). Below
them those of the server itself, which an application may not send; autobahn adds 1002, 1007 and 1009 on its own."""

from enum import IntEnum
from typing import Final


class CloseCode(IntEnum):
    NO_CREDENTIALS = 4001  # none were sent, or the cookie is an inactive user's
    UNKNOWN_USER = 4002  # a token without `sub`, or of a user who does not exist
    BAD_TOKEN = 4003  # a bad or expired token, or an inactive user's
    TOO_MANY = 4008  # messages, under a server that does not count them, or connections of one user
    TOO_SLOW = 4013  # it reads too slowly; sent by the server, where it can still arrive


POLICY_VIOLATION: Final = 1008  # too many messages
INTERNAL_ERROR: Final = 1011  # the application has failed
SERVICE_RESTART: Final = 1012
