"""How many sockets of one user, or of the guests of one link, a process may have."""

from typing import Any

from realtime.auth.guests import Guest
from realtime.conf import limits
from realtime.metrics import count
from realtime.throttling import Cap
from realtime.wire.frames import TOO_MANY_CONNECTIONS, TOO_MANY_GUESTS

_sockets = Cap()  # by user id


def user_id_of(user: Any) -> str:
    """Names the user, or all guests of a link together."""
    return user.user_id if isinstance(user, Guest) else str(user.pk)


def acquire(user: Any) -> str | None:
    """Counts one more socket. Returns the text of the refusal, and counts nothing, if the cap is reached."""
    is_guest = isinstance(user, Guest)
    limit = limits.MAX_GUEST_CONNECTIONS if is_guest else limits.MAX_USER_CONNECTIONS
    if _sockets.try_acquire(user_id_of(user), limit):
        return None
    if is_guest:
        count("refused_guest")
        return TOO_MANY_GUESTS
    count("refused_user")
    return TOO_MANY_CONNECTIONS


def release(user_id: str) -> None:
    """Counts one socket less. Call it once for each `acquire` that returned None."""
    _sockets.release(user_id)
