"""What this process could not keep, or had to mend, counted by name; `/realtime/status` shows it to staff.

announcements_dropped       the announcer's queue was full: the sweep finds these events
announcements_failed        the channel layer refused or did not answer
announcements_thinned       sent without their data, to save memory
layer_errors                a join, a leave or a receive failed, and is tried again
layer_messages_unknown      of a type that this version does not know, or for a stream that nobody here watches
numbering_failed            after a commit: the sweep or the next reader numbers these events
gaps_filled                 read from the log because a number was missing
heads_repaired                found by the sweep
subscriptions_behind        a socket's buffer was full: it reads from the log
snapshots_forced            a replay was refused, and a snapshot sent in its place
floods                      sockets that sent more messages than they may: closed
slow_readers                sockets whose client read too slowly: closed or dropped
first_request_timeouts      connections that did not send the head of a request in time: dropped
refused_process             sockets that were one too many: of the process, of their address (both 503), of their user
refused_address
refused_user
errors                      unexpected exceptions, each of them in the log of the process
"""

import os
from collections import Counter
from threading import Lock

_counts: Counter[str] = Counter()
_lock = Lock()


def count(name: str, by: int = 1) -> None:
    with _lock:
        _counts[name] += by


def counts() -> dict[str, int]:
    """All counts since the process started."""
    with _lock:
        return dict(_counts)


def _forget() -> None:
    """In a forked child: a thread that does not exist there may have held the lock."""
    global _lock
    _lock = Lock()


os.register_at_fork(after_in_child=_forget)
