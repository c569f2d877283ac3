"""The limits and intervals of realtime, each with its default and its reason. `settings.REALTIME` overrides by name.

from realtime.conf import limits
limits.SWEEP_INTERVAL    # seconds; read at each use, so that `override_settings` works
"""

from dataclasses import dataclass, field, fields
from typing import Any, Literal

from django.conf import settings


@dataclass(frozen=True)
class Limits:
    """Defaults. Times are seconds, sizes are bytes of UTF-8."""

    # Who may connect
    ALLOWED_ORIGINS: list[str] = field(default_factory=list)  # scheme://host[:port], besides the server's own host
    STREAM_ACCESS: dict[str, str] = field(default_factory=dict)  # kind of stream → path of its access function
    AUTH_TIMEOUT: float = 10.0  # a database that does not answer must not block a handshake for ever

    # Of a connection with a token; with_cookie: where the browser sends a session cookie, too
    CHECK_TOKEN_ORIGIN: Literal["never", "with_cookie", "always"] = "with_cookie"  # noqa: S105 - it is no token

    # What follows one of these in a path is a credential, and is in no log
    SECRET_PATHS: list[str] = field(default_factory=lambda: ["/shared/"])

    # Access that ends while a socket is open
    RECHECK_INTERVAL: float = 25.0  # of each socket; with the time that a check takes, access ends within 30 s
    RECHECK_DELAY: float = 0.4  # between a notice and its check: a logout signals before it deletes the session
    RECHECK_TIMEOUT: float = 10.0  # after a notice; a socket that cannot be checked in this time is closed

    # Who may read /metrics, besides staff
    METRICS_TOKEN: str = ""  # as `Authorization: Bearer TOKEN`; empty: no token opens it
    METRICS_OPEN: bool = False  # True: anybody may, for a port that only Prometheus reaches
    METRICS_INTERVAL: float = 5.0  # for so long an answer of the database is used again: scrapes cannot load it

    # Tokens for the sockets of a page
    SOCKET_TOKEN_LIFETIME: float = 300.0  # a token is needed only for the handshake, in its URL or a header
    SOCKET_TOKEN_RENEWAL: float = 43_200.0  # for this long after a login, a token can be renewed with itself alone

    MAX_TOKEN_BYTES: int = 16 * 1024  # as long as a header that Twisted takes; tokens with many groups have 8 KB

    # The public keys at JWT_JWKS_URL
    JWKS_LIFETIME: float = 600.0  # then they are read again: a key that is taken back ends within ten minutes
    JWKS_INTERVAL: float = 60.0  # between two readings because of an unknown key, which anybody can make up
    JWKS_STALE: float = 86_400.0  # while the provider does not answer, its keys count for so long
    JWKS_TIMEOUT: float = 5.0  # for the provider's answer
    MAX_JWKS_BYTES: int = 256 * 1024  # of the answer; large providers publish some 10 KB

    # What a client may send
    MAX_MESSAGE_BYTES: int = 64 * 1024  # requests are tiny; Daphne's default is 1 MiB
    MAX_BODY_BYTES: int = 4 * 1024 * 1024  # of an HTTP request: the largest form plus its encoding
    MAX_MESSAGE_VALUES: int = 1_000  # of one message; a request has a dozen, and 6,500 take the parser 2 ms
    MAX_ID_LENGTH: int = 200  # of an execution, a graph, a request; a stream's key must fit its column
    MAX_SUBSCRIPTIONS: int = 1_000  # of one socket; the stock frontend subscribes to dozens of graphs
    MAX_PENDING_REQUESTS: int = 64  # of one socket; at the limit the socket is not read until some are answered
    INBOUND_MESSAGES: int = 64  # of one socket, unreceived; at the limit it is not read until half are left
    INBOUND_BYTES: int = 256 * 1024  # the same, in bytes
    MESSAGE_RATE: float = 50.0  # frames a second of one socket, pings and fragments too; a frontend sends heartbeats
    MESSAGE_BURST: int = 2_000  # at once: a client that reconnects subscribes to all its streams; 0 is no limit
    CLIENT_ERROR_RATE: float = 0.1  # a second, of the errors that one socket's client reports; the others are counted
    CLIENT_ERROR_BURST: int = 10  # at once; each is a line in the log
    MAX_FRAGMENTS: int = 256  # of one message; a library that sends in pieces of 1 KB needs 64 for the largest message
    FRAMES_PER_TURN: int = 32  # of one socket, before other work of the process; half a millisecond
    SNAPSHOT_LIMIT: int = 200  # entities of a snapshot, if the client names no limit
    MAX_SNAPSHOT_LIMIT: int = 10_000  # the highest limit of a client: a list of that many numbers is kept

    # How large an event may be
    MAX_INLINE_BYTES: int = 16 * 1024  # a larger event is announced without data: Redis cuts subscribers at 32 MB
    MAX_EVENT_BYTES: int = 1_000_000  # recording refuses a larger event; Daphne itself sends up to 1 MiB
    MAX_ANNOUNCED_BYTES: int = 64 * 1024  # all events of one announcement; beyond it, a hint without data

    # The buffer of one socket; if it is full, the socket reads from the log instead
    BUFFER_EVENTS: int = 100
    BUFFER_BYTES: int = 256 * 1024

    # How slowly a client may read (realtime/server)
    SEND_PIECE_BYTES: int = 64 * 1024  # of a large message, in memory for one socket; as large as Twisted's buffer
    STALL_TIMEOUT: float = 30.0  # a client that takes no byte for this long is gone
    MIN_READ_RATE: int = 1024  # bytes a second; a client below it for a SLOW_WINDOW will never catch up
    SLOW_WINDOW: float = 60.0  # long enough for one bad minute, as in a tunnel
    PING_READ_RATE: int = 50_000  # bytes a second; a ping's timeout grows by the time for the data before it

    # How many, and for how long (realtime/server; the cap of a user holds under any server). A cap of 0 is no cap
    MAX_CONNECTIONS: int = 10_000  # open sockets of a process, about 50 KB each; the next one gets 503
    MAX_ADDRESS_CONNECTIONS: int = 1_000  # of one address; a proxy puts all clients behind one address
    MAX_USER_CONNECTIONS: int = 100  # of one user in a process: many tabs, and a script that forgets to close
    MAX_GUEST_CONNECTIONS: int = 100  # of the guests of one link in a process: a link may be in a chat with thousands
    MAX_HTTP_CONNECTIONS: int = 2_000  # of a process, without an open socket: pages, and clients that send nothing
    MAX_ADDRESS_HTTP_CONNECTIONS: int = 200  # of one address; a browser opens six. Not behind proxy headers
    KEEP_ALIVE_TIMEOUT: float = 60.0  # of a connection between two requests; above that of a proxy
    BODY_GRACE: float = 20.0  # a body may take so long, and longer by what follows
    MIN_BODY_RATE: int = 8 * 1024  # bytes; for each so many a body gets another second
    BODY_DEADLINE: float = 300.0  # for any body; the largest one needs 14 KB a second
    TRUST_ROOT_PATH_HEADER: bool = False  # Daphne-Root-Path of a request; any client could choose where it is mounted
    FIRST_REQUEST_DEADLINE: float = 10.0  # for the head of a request, from its first byte or the connection's start
    MAX_HTTP_REQUESTS: int = 12  # in Django at once; each has a thread, and usually a database connection
    MAX_ADDRESS_HTTP_REQUESTS: int = 6  # of one address, or of one user behind a proxy on this machine
    LARGE_BODY_BYTES: int = 64 * 1024  # for each so many bytes of its body a request takes one more slot and place
    MAX_WAITING_REQUESTS: int = 128  # for their turn; the next one gets 503
    MAX_ADDRESS_WAITING_REQUESTS: int = 32  # of one address; a browser sends some dozens for a page
    REQUEST_WAIT: float = 10.0  # then 503: the user has pressed reload by then
    DRAIN_SPREAD: float = 1.0  # sockets are closed over this time, since all their clients reconnect at once
    DRAIN_TIMEOUT: float = 10.0  # for consumers and HTTP responses to end; supervisors kill after 30 s, some after 10 s
    READY_TIMEOUT: float = 2.0  # for the database's answer to /readyz and /metrics; probes wait a few seconds

    # Budgets of a window (realtime/budgets.py). 0 is no limit
    BUDGET_KEYS: int = 20_000  # counted in a process without Redis, about 8 MB; the longest unused are dropped
    LOGIN_WINDOW: float = 300.0  # short: somebody who is locked out by another waits five minutes at most
    LOGIN_FAILURES: int = 10  # of one account from one address; people mistype, or try their five passwords twice
    LOGIN_ADDRESS_FAILURES: int = 100  # of one address, with any accounts; an office has one address
    LOGIN_ACCOUNT_FAILURES: int = 100  # of one account from all addresses, except those where it has logged in lately
    KNOWN_ADDRESS_LIFETIME: float = 2_592_000.0  # 30 days: for so long "lately" lasts
    API_WINDOW: float = 10.0  # so the longest Retry-After is shorter than most leases of workers
    USER_READS: int = 500  # requests that change nothing; 50 a second
    USER_WRITES: int = 200
    USER_STARTS: int = 50  # what costs most: creating and changing graphs, starting runs
    WORKER_READS: int = 1_000
    WORKER_WRITES: int = 10_000  # a thousand a second, each of which may have MAX_REPORTS reports
    WORKER_STARTS: int = 1_000
    SHARED_READS: int = 300  # shared pages that one address reads; an office has one, and each page is read again
    SOCKET_TOKENS: int = 200  # of a user: after a restart each of a hundred tabs gets one, and tries again
    LOG_WINDOW: float = 3_600.0
    LOG_BYTES: int = 2**30  # of one user's events, of runs and notifications; beyond it starts and reports are refused

    # The log
    DB_THREADS: int = 8  # of sockets in one process; also the limit of their database connections
    PAGE_EVENTS: int = 100  # of one read of the log
    PAGE_BYTES: int = 256 * 1024  # of one read; not above BUFFER_BYTES, or a socket would drop a part and read it again
    PAGE_CACHE_BYTES: int = 16 * 1024 * 1024  # in one process; pages that the readers of one stream share

    # The fast path
    JOIN_TIMEOUT: float = 0.2  # a subscribe waits this long for its group to be joined, and is answered then
    REJOIN_INTERVAL: float = 50.0  # at least once a minute, since a layer that stores the members may forget them
    MAX_DOUBTFUL_GROUPS: int = 10_000  # left while Redis is away, and left again later; the core layer forgets others
    GAP_WAIT: float = 0.05  # a hint that came too early waits this long for the events before it
    ANNOUNCER_QUEUE: int = 10_000  # announcements that wait for Redis; beyond it they are dropped and counted
    ANNOUNCER_BYTES: int = 16 * 1024 * 1024  # of their data; beyond it they are sent without data
    RETRY_STREAMS: int = 10_000  # that wait in a process for another writer's lock; beyond it they wait for the sweep
    ANNOUNCE_TIMEOUT: float = 2.0  # for one `group_send`, and for the flush at exit

    # The sweep, which repairs lost announcements
    SWEEP_INTERVAL: float = 2.0  # the delay of an event whose announcement was lost; each sweep is a query
    SWEEP_GRACE: float = 0.25  # a head that is ahead for this long counts as lost; a shorter time is normal delivery
    SWEEP_BATCH: int = 1_000  # streams with unnumbered events of one read; those with sockets come first

    # What keeps the tables from growing
    HOUSEKEEPING: str = "server"  # "server": each server process looks; "command": only commands and tasks; "off"
    # Kind of stream → age of its oldest events, as 30d, 12h or a timedelta; None: for ever. Kinds that are not named
    # keep these ages. An execution that has not ended keeps all its events.
    RETENTION: dict[str, Any] = field(
        default_factory=lambda: {"graph_exec": "30d", "graph": "30d", "shared": "30d", "notifications": "30d"}
    )
    HOUSEKEEPING_INTERVAL: float = 3600.0  # between two runs of a job that removes what is old
    HOUSEKEEPING_POLL: float = 5.0  # in which a process looks for jobs that are due: two short queries
    HOUSEKEEPING_LEASE: float = 60.0  # a job whose process died goes on after it; longer than a batch takes
    HOUSEKEEPING_SHARE: float = 0.2  # of the time that a job may be busy; it pauses for the rest, after each batch


DEFAULTS = Limits()


class _Limits:
    """The limits in force: of `settings.REALTIME`, or else the defaults."""

    def __getattr__(self, name: str) -> Any:
        default = getattr(DEFAULTS, name)
        return getattr(settings, "REALTIME", {}).get(name, default)


names = frozenset(each.name for each in fields(Limits))
limits = _Limits()
