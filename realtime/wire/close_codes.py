"""The codes with which a socket closes, what each means, and how a client reconnects after it.

The application sends the codes of `CloseCode`. The server sends the others, which an application may not send; autobahn
adds 1002, 1007 and 1009. Tests compare `CLOSE_REASONS` with docs/protocol.md, and with the behaviour of
static/realtime/reconnect.js.
"""

from enum import IntEnum, StrEnum
from typing import Final, NamedTuple


class CloseCode(IntEnum):
    NO_CREDENTIALS = 4001  # no credentials, or the session of an inactive user
    UNKNOWN_USER = 4002  # a token without `sub`, or of a user that does not exist
    BAD_TOKEN = 4003  # a bad or expired token, or the token of an inactive user
    TOO_MANY = 4008  # connections of one user, or messages (only under a server that does not count messages)
    TOO_SLOW = 4013  # the client reads too slowly; the server sends it if it can still arrive


POLICY_VIOLATION: Final = 1008  # too many messages
INTERNAL_ERROR: Final = 1011  # an error in the application
SERVICE_RESTART: Final = 1012


class Reconnect(StrEnum):
    """How a client reconnects. The back-off has full jitter. It also follows a failed first attempt of the others."""

    AT_ONCE = "at once"
    AFTER_A_RANDOM_DELAY = "after a random delay"
    WITH_BACK_OFF = "with back-off"
    WITH_OTHER_CREDENTIALS = "with other credentials only"


class CloseReason(NamedTuple):
    meaning: str
    reconnect: Reconnect


CLOSE_REASONS: Final[dict[int, CloseReason]] = {
    1000: CloseReason("the socket has ended without an error", Reconnect.WITH_BACK_OFF),
    1001: CloseReason("the other side goes away", Reconnect.WITH_BACK_OFF),
    1002: CloseReason("against the WebSocket protocol", Reconnect.WITH_BACK_OFF),
    1006: CloseReason("the connection was lost, or the handshake was refused", Reconnect.WITH_BACK_OFF),
    1007: CloseReason("a text that is not UTF-8", Reconnect.WITH_BACK_OFF),
    POLICY_VIOLATION: CloseReason("too many messages", Reconnect.WITH_BACK_OFF),
    1009: CloseReason("a frame that is too large", Reconnect.WITH_BACK_OFF),
    INTERNAL_ERROR: CloseReason("the application has failed", Reconnect.WITH_BACK_OFF),
    SERVICE_RESTART: CloseReason("the server restarts", Reconnect.AFTER_A_RANDOM_DELAY),
    CloseCode.NO_CREDENTIALS: CloseReason("no credentials", Reconnect.WITH_OTHER_CREDENTIALS),
    CloseCode.UNKNOWN_USER: CloseReason("a token that names no user", Reconnect.WITH_OTHER_CREDENTIALS),
    CloseCode.BAD_TOKEN: CloseReason("a bad or expired token", Reconnect.WITH_OTHER_CREDENTIALS),
    CloseCode.TOO_MANY: CloseReason("too many sockets of one user", Reconnect.WITH_BACK_OFF),
    CloseCode.TOO_SLOW: CloseReason("the client reads too slowly", Reconnect.AT_ONCE),
}
"""All codes that a client can get. A proxy may send others."""

AFTER_OTHER_CODES: Final = Reconnect.WITH_BACK_OFF
