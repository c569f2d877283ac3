"""Every limit and interval of the sockets: its default and its reason. `settings.REALTIME` overrides by name.

from realtime.conf import limits
limits.SWEEP_INTERVAL    # seconds, read when it is used, so that tests and `override_settings` work
"""

from dataclasses import dataclass, field, fields
from typing import Any

from django.conf import settings


@dataclass(frozen=True)
class Limits:
    """Defaults. Times are seconds, sizes are bytes of UTF-8."""

    # Who may connect
    ALLOWED_ORIGINS: list[str] = field(default_factory=list)  # scheme://host[:port] besides the host's own
    STREAM_ACCESS: dict[str, str] = field(default_factory=dict)  # kind of stream → path of its access function
    AUTH_TIMEOUT: float = 10.0  # a database that does not answer must not hold a handshake for ever

    # Tokens that a page asks for
    SOCKET_TOKEN_LIFETIME: float = 300.0  # it is in a URL or a header of the handshake only
    SOCKET_TOKEN_RENEWAL: float = 43_200.0  # so long after its login a page can renew it with itself alone

    # What a client may send
    MAX_MESSAGE_BYTES: int = 64 * 1024  # requests are tiny; Daphne's own default is 1 MiB
    MAX_BODY_BYTES: int = 4 * 1024 * 1024  # of an HTTP request: the largest form, with what its encoding adds
    MAX_ID_LENGTH: int = 200  # of an execution, a graph, a request; keeps a stream's key inside its column
    MAX_SUBSCRIPTIONS: int = 1_000  # of one socket: the stock frontend subscribes to dozens of graphs
    MAX_PENDING_REQUESTS: int = 64  # of one socket; beyond it the socket is not read until some are answered
    INBOUND_MESSAGES: int = 64  # of one socket that the consumer has not taken; then it is not read until half are left
    INBOUND_BYTES: int = 256 * 1024  # the same, in bytes
    MESSAGE_RATE: float = 50.0  # a second of one socket: a frontend sends a heartbeat and a click
    MESSAGE_BURST: int = 2_000  # at once: whoever comes back subscribes to everything anew; 0 is no limit
    SNAPSHOT_LIMIT: int = 200  # entities of a snapshot, where the client names no limit
    MAX_SNAPSHOT_LIMIT: int = 10_000  # and the most that it may name: a list of that many numbers is kept

    # What an event may weigh
    MAX_INLINE_BYTES: int = 16 * 1024  # larger ones are announced without data: Redis cuts subscribers at 32 MB
    MAX_EVENT_BYTES: int = 1_000_000  # larger ones are refused where they are recorded; Daphne itself sends 1 MiB
    MAX_ANNOUNCED_BYTES: int = 64 * 1024  # all events of one announcement together; beyond it, a hint

    # What a socket may keep waiting, before it reads from the log instead
    BUFFER_EVENTS: int = 100
    BUFFER_BYTES: int = 256 * 1024

    # How slowly a client may read (realtime/server)
    SEND_PIECE_BYTES: int = 64 * 1024  # of a large message that are in memory for one socket: as Twisted's buffer
    STALL_TIMEOUT: float = 30.0  # a client that takes no byte for so long is gone
    MIN_READ_RATE: int = 1024  # bytes a second: below it for a SLOW_WINDOW, a client will never catch up
    SLOW_WINDOW: float = 60.0  # so that one bad minute in a tunnel is no reason yet
    PING_READ_RATE: int = (
        50_000  # bytes a second: a ping waits behind what is unread, for as long as such a client needs
    )

    # How many, and for how long (realtime/server; the cap of a user holds under every server). 0 is no cap
    MAX_CONNECTIONS: int = 10_000  # open sockets of a process, some 50 KB each; the next one gets 503
    MAX_ADDRESS_CONNECTIONS: int = 1_000  # of one address, behind which a whole company may be
    MAX_USER_CONNECTIONS: int = 100  # of one user in a process: many tabs, and a script that forgets to close
    FIRST_REQUEST_DEADLINE: float = 10.0  # for the head of a request, from its first byte, or the connection's start
    DRAIN_SPREAD: float = 1.0  # sockets are closed over so long, since all their clients come back at once
    DRAIN_TIMEOUT: float = 10.0  # for consumers and pages to end; supervisors kill after 30 s, some after 10 s
    READY_TIMEOUT: float = 2.0  # for the database's answer to /readyz; a probe waits some seconds at most

    # The log
    DB_THREADS: int = 8  # of realtime's own; also the bound on its database connections in a process
    PAGE_EVENTS: int = 100  # one read of the log, at most
    PAGE_BYTES: int = 256 * 1024  # what a socket may keep waiting: of a larger one the rest would be read again
    PAGE_CACHE_BYTES: int = 16 * 1024 * 1024  # pages that readers of one stream share, in a process

    # The fast path
    JOIN_TIMEOUT: float = 0.2  # a subscribe waits so long for its group, and is then answered
    REJOIN_INTERVAL: float = 50.0  # at least once a minute, where the layer keeps the members and may forget them
    GAP_WAIT: float = 0.05  # how long a hint that came too early waits for its predecessors
    ANNOUNCER_QUEUE: int = 10_000  # announcements waiting for Redis; beyond it they are dropped and counted
    ANNOUNCER_BYTES: int = 16 * 1024 * 1024  # of their data; beyond it they go out without it
    ANNOUNCE_TIMEOUT: float = 2.0  # for one `group_send`, and for the flush at exit

    # The mend
    SWEEP_INTERVAL: float = 2.0
    SWEEP_GRACE: float = 0.25  # a head counts as lost only if it was already ahead so long ago
    SWEEP_BATCH: int = 1_000  # streams with unnumbered events that one sweep finishes


DEFAULTS = Limits()


class _Limits:
    """Looks a limit up in `settings.REALTIME`, else in the defaults."""

    def __getattr__(self, name: str) -> Any:
        default = getattr(DEFAULTS, name)
        return getattr(settings, "REALTIME", {}).get(name, default)


names = frozenset(each.name for each in fields(Limits))
limits = _Limits()
