"""Counters of losses and repairs in this process, by name. `/realtime/status` shows them to staff.

announcements_dropped       announcements that found the announcer's queue full; the sweep finds their events
announcements_failed        announcements that the channel layer refused or did not confirm in time
announcements_thinned       announcements that were sent without their data, to save memory
layer_errors                joins, leaves and receives that failed; they are tried again
layer_messages_unknown      messages of an unknown type, or for a stream without watchers in this process
numbering_failed            failures after a commit; the sweep or the next reader numbers these events
numbering_retried           streams with a locked head; a thread of the process numbers their events soon
numbering_left              streams whose head stayed locked; the sweep or the next reader numbers these events
gaps_filled                 reads from the log because a number was missing
heads_repaired              heads that the sweep found to be ahead
streams_restarted           watched streams that began another history: of a restored backup, or a new epoch
subscriptions_behind        subscriptions with a full buffer; they read from the log
snapshots_forced            replays that were refused; a snapshot was sent instead
client_errors               errors that clients reported, and that were logged
client_errors_dropped       errors that clients reported above CLIENT_ERROR_RATE; they are not logged
floods                      sockets that sent too many messages, frames or fragments; they are closed
slow_readers                sockets whose client read too slowly; they are closed
first_request_timeouts      connections that did not send the head of a request in time; they are cut
body_timeouts               requests whose body came too slowly (408)
slow_http_readers           connections whose client read a response too slowly; they are cut
requests_refused            requests that break HTTP, and handshakes that break WebSockets (400, 405, 426)
requests_crowded            requests that found no place to wait, or waited too long for a thread (503)
refused_http_process        connections over the cap of the process (503)
refused_http_address        connections over the cap of their address (503)
refused_process             sockets over the cap of the process (503)
refused_address             sockets over the cap of their address (503)
refused_user                sockets over the cap of their user
refused_handshakes          sockets of a foreign Host, or of a foreign page with a cookie (403)
housekeeping_runs           runs of housekeeping jobs that came to their end
housekeeping_rows           what these jobs removed or changed: events, notifications, expired leases …
housekeeping_failed         runs that failed; the table of jobs has the last error
errors                      unexpected exceptions; the log of the process has each of them
"""

import os
from collections import Counter
from threading import Lock

_counts: Counter[str] = Counter()
_lock = Lock()


def count(name: str, by: int = 1) -> None:
    """Adds to a counter. Thread-safe."""
    with _lock:
        _counts[name] += by


def counts() -> dict[str, int]:
    """A copy of all counters, since the start of the process. A counter that is still 0 is absent."""
    with _lock:
        return dict(_counts)


def _reset_after_fork() -> None:
    """Replaces the lock in a forked child: a thread that exists only in the parent may hold the old one."""
    global _lock
    _lock = Lock()


os.register_at_fork(after_in_child=_reset_after_fork)
