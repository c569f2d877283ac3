"""The codes with which a socket closes. `CLOSINGS` says of each what it means and whether a client comes back.

The application sends those of `CloseCode`. The server sends the others, which an application may not send; autobahn
adds 1002, 1007 and 1009 on its own. Tests compare `CLOSINGS` with docs/protocol.md, and with what
static/realtime/reconnect.js does.
"""

from enum import IntEnum, StrEnum
from typing import Final, NamedTuple


class CloseCode(IntEnum):
    NO_CREDENTIALS = 4001  # none were sent, or the cookie is an inactive user's
    UNKNOWN_USER = 4002  # a token without `sub`, or of a user who does not exist
    BAD_TOKEN = 4003  # a bad or expired token, or an inactive user's
    TOO_MANY = 4008  # messages, under a server that does not count them, or connections of one user
    TOO_SLOW = 4013  # it reads too slowly; sent by the server, where it can still arrive


POLICY_VIOLATION: Final = 1008  # too many messages
INTERNAL_ERROR: Final = 1011  # the application has failed
SERVICE_RESTART: Final = 1012


class Return(StrEnum):
    """How a client comes back. Back-off is with full jitter, and follows when the first attempt fails, too."""

    AT_ONCE = "at once"
    AFTER_A_RANDOM_DELAY = "after a random delay"
    WITH_BACK_OFF = "with back-off"
    WITH_OTHER_CREDENTIALS = "with other credentials only"


class Closing(NamedTuple):
    meaning: str
    comes_back: Return


CLOSINGS: Final[dict[int, Closing]] = {
    1000: Closing("the end of a socket that nobody complains of", Return.WITH_BACK_OFF),
    1001: Closing("the other side goes away", Return.WITH_BACK_OFF),
    1002: Closing("against the WebSocket protocol", Return.WITH_BACK_OFF),
    1006: Closing("the connection was lost, or the handshake was refused", Return.WITH_BACK_OFF),
    1007: Closing("a text that is not UTF-8", Return.WITH_BACK_OFF),
    POLICY_VIOLATION: Closing("too many messages", Return.WITH_BACK_OFF),
    1009: Closing("a frame that is too large", Return.WITH_BACK_OFF),
    INTERNAL_ERROR: Closing("the application has failed", Return.WITH_BACK_OFF),
    SERVICE_RESTART: Closing("the server restarts", Return.AFTER_A_RANDOM_DELAY),
    CloseCode.NO_CREDENTIALS: Closing("no credentials", Return.WITH_OTHER_CREDENTIALS),
    CloseCode.UNKNOWN_USER: Closing("a token that names no user", Return.WITH_OTHER_CREDENTIALS),
    CloseCode.BAD_TOKEN: Closing("a bad or expired token", Return.WITH_OTHER_CREDENTIALS),
    CloseCode.TOO_MANY: Closing("too many sockets of one user", Return.WITH_BACK_OFF),
    CloseCode.TOO_SLOW: Closing("the client reads too slowly", Return.AT_ONCE),
}
"""All codes that a client can see. A proxy may send others."""

ANY_OTHER: Final = Return.WITH_BACK_OFF
