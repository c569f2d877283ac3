"""All metrics: names, texts, labels. docs/metrics.md, the status page and `/metrics` are made from these tables.

A counter `name` is exposed as `runwire_name_total`, a histogram as `runwire_name_seconds`, a gauge as `runwire_name`.
After a change run `python -m tests.metrics_page`, which writes the tables into docs/metrics.md.

Pure: no Django, no I/O.
"""

from typing import Final, NamedTuple

PREFIX: Final = "runwire_"

COUNTERS: Final[dict[str, str]] = {
    "sent_frames": "Text frames that were given to the server for sending.",
    "sent_bytes": "Their size in UTF-8, without the headers of WebSocket.",
    "replays": "Subscribes that began after the client's cursor and got what it had missed.",
    "snapshots": "Subscribes and restarts that began with a snapshot.",
    "snapshots_forced": "Replays that were refused. A snapshot was sent instead.",
    "subscriptions_behind": "Subscriptions with a full buffer. They read from the log.",
    "streams_restarted": "Watched streams that began another history: of a restored backup, or of a new epoch.",
    "gaps_filled": "Reads from the log because a number was missing.",
    "heads_repaired": "Heads that the sweep found to be ahead.",
    "streams_numbered_late": "Streams whose events the sweep numbered: their writer died or failed after its commit.",
    "numbering_failed": "Failures after a commit. The sweep or the next reader numbers these events.",
    "numbering_retried": "Streams with a locked head. A thread of the process numbers their events soon.",
    "numbering_left": "Streams whose head stayed locked. The sweep or the next reader numbers these events.",
    "announcements_dropped": "Announcements that found the announcer's queue full. The sweep finds their events.",
    "announcements_failed": "Announcements that the channel layer refused or did not confirm in time.",
    "announcements_thinned": "Announcements that were sent without their data, to save memory.",
    "layer_errors": "Joins, leaves and receives that failed. They are tried again.",
    "layer_messages_unknown": "Messages of an unknown type, or for a stream without watchers in this process.",
    "access_notices": "Notices that the access of users has changed. The sockets of these users are checked at once.",
    "access_rechecks": "Checks of open sockets: in turn, after a notice, and when a token or session ends.",
    "recheck_timeouts": "Users whose sockets could not be checked in time after a notice. They are closed (1011).",
    "revoked_subscriptions": "Subscriptions that ended, since their user may not watch the stream any more.",
    "client_errors": "Errors that clients reported and that were logged.",
    "client_errors_dropped": "Errors that clients reported above `CLIENT_ERROR_RATE`. They are not logged.",
    "leases_expired": "Executions that were ended because their worker or runner let its lease expire.",
    "housekeeping_runs": "Runs of housekeeping jobs that came to their end.",
    "housekeeping_rows": "What these jobs removed or changed: events, notifications, answers, runs, streams.",
    "housekeeping_failed": "Runs of these jobs that failed. The table of jobs has the last error.",
    "throttling_alone": "Failures of the cache of throttling. The process counts for itself for some seconds.",
    "errors": "Unexpected exceptions. The log of the process has each of them.",
}
"""By the name that `count` takes."""


class Refusal(NamedTuple):
    cause: str
    help: str


REFUSALS: Final[dict[str, Refusal]] = {
    "refused_process": Refusal("process", "Sockets over the cap of the process (503)."),
    "refused_address": Refusal("address", "Sockets over the cap of their address (503)."),
    "refused_user": Refusal("user", "Sockets over the cap of their user."),
    "refused_guest": Refusal("guest", "Sockets over the cap of their link."),
    "floods": Refusal("flood", "Sockets that sent too many messages, frames or fragments. They are closed."),
    "slow_readers": Refusal("slow_reader", "Sockets whose client read too slowly. They are closed."),
    "first_request_timeouts": Refusal(
        "first_request_timeout", "Connections that did not send the head of a request in time. They are cut."
    ),
    "body_timeouts": Refusal("body_timeout", "Requests whose body came too slowly (408)."),
    "slow_http_readers": Refusal(
        "slow_http_reader", "Connections whose client read a response too slowly. They are cut."
    ),
    "requests_refused": Refusal(
        "bad_request", "Requests that break HTTP, and handshakes that break WebSockets (400, 405, 426)."
    ),
    "requests_crowded": Refusal(
        "crowded", "Requests that found no place to wait, or waited too long for a thread (503)."
    ),
    "refused_http_process": Refusal("http_process", "Connections over the cap of the process (503)."),
    "refused_http_address": Refusal("http_address", "Connections over the cap of their address (503)."),
    "refused_starts": Refusal(
        "queue_full", "Executions that were not started, since too many of the user or of all users wait (429)."
    ),
    "throttled_logins": Refusal("logins", "Logins after too many failed ones of an account or an address (429)."),
    "throttled_requests": Refusal("api", "Requests of a user or worker over a budget of the API (429)."),
    "throttled_shares": Refusal("shared_pages", "Requests for shared pages over the budget of an address (429)."),
    "throttled_tokens": Refusal("socket_tokens", "Requests for a socket's token over the user's budget (429)."),
    "refused_log_bytes": Refusal(
        "log_bytes", "Starts and reports whose user has recorded `LOG_BYTES` in this window (429)."
    ),
    "refused_host": Refusal("host", "Sockets whose Host header is not allowed (403)."),
    "refused_origin": Refusal("origin", "Sockets of a page whose origin is not allowed (403)."),
    "refused_4001": Refusal(
        "auth_4001", "Sockets without credentials, or with the session of an inactive user (4001)."
    ),
    "refused_4002": Refusal("auth_4002", "Sockets whose token names no user (4002)."),
    "refused_4003": Refusal("auth_4003", "Sockets with a bad or expired token, of a user or a link (4003)."),
    "revoked_4001": Refusal(
        "revoked_4001", "Open sockets whose session has ended, or whose user is gone or inactive (4001)."
    ),
    "revoked_4003": Refusal(
        "revoked_4003", "Open sockets whose token or link has ended, or whose user is gone or inactive (4003)."
    ),
    "refused_metrics": Refusal("metrics", "Requests for `/metrics` with a wrong token, or without credentials."),
}
"""By the name that `count` takes. One counter, `runwire_refusals_total`, has them by `cause`."""

REFUSALS_HELP: Final = "Connections and requests that were refused or closed, by cause."


class Histogram(NamedTuple):
    help: str
    label: str
    values: tuple[str, ...]  # of the label
    buckets: tuple[float, ...]  # seconds


HISTOGRAMS: Final[dict[str, Histogram]] = {
    "delivery_lag": Histogram(
        "From the commit of an event until its frames were given to the sockets of a process. Observed once for each "
        "event and process. `announced`: from the end of the commit; both times are wall clocks, of the writer's host "
        "and of this one. `repaired`: from the time of the row in the log, for events that no announcement brought. "
        "Events that a socket reads alone, as in a replay, are not observed.",
        "way",
        ("announced", "repaired"),
        (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    ),
    "publish": Histogram(
        "What a caller pays for its events, in `save()`, in the verbs of executions.services and in `publish()`. "
        "`record`: the insert into the log, once for each call. `after_commit`: numbering and announcing, once for "
        "each transaction. The caller's own statements and the commit are not included.",
        "step",
        ("record", "after_commit"),
        (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    ),
}
"""By the name that `observe` takes."""

GAUGES: Final[dict[str, str]] = {
    "sockets": "Open sockets whose user is known.",
    "subscriptions": "Subscriptions of these sockets.",
    "streams": "Streams that these sockets watch, once for each process.",
    "sockets_behind": "Sockets with data that waits for a slow client. Only under `realtime.server`.",
    "sockets_paused": "Sockets that are not read, since their requests wait. Only under `realtime.server`.",
    "send_buffer_bytes": "Bytes that wait for slow clients. Only under `realtime.server`.",
    "announcer_queue": "Announcements that wait for Redis.",
    "announcer_queue_bytes": "The data of these announcements.",
    "database_threads": "The limit of the threads for the database work of sockets (`DB_THREADS`).",
    "database_threads_busy": "Threads that work or wait for the database.",
    "database_calls_waiting": "Calls that wait for a thread.",
    "database_pool_limit": "The limit of the connections to PostgreSQL (`DATABASE_POOL_SIZE`).",
    "database_pool_used": "Connections in use.",
    "database_pool_waiting": "Threads that wait for a connection.",
}
"""Of a process. With several processes in one exposition each is the sum over the living ones."""


class StoredGauge(NamedTuple):
    help: str
    label: str = ""


STORED_GAUGES: Final[dict[str, StoredGauge]] = {
    "database_up": StoredGauge("1 if the database answered in time, else 0. Then the gauges below are absent."),
    "channel_layer_up": StoredGauge("1 if each Redis answered in time, or if there is none; else 0."),
    "unnumbered_events": StoredGauge("Committed events without a number, up to 10,000."),
    "unnumbered_oldest_seconds": StoredGauge("The age of the oldest of them; 0 if there is none."),
    "log_events": StoredGauge(
        "Events in the log. An estimate: on PostgreSQL by its statistics, on SQLite by the highest and the lowest id."
    ),
    "log_bytes": StoredGauge("The log on disk: on PostgreSQL the table and its indexes, on SQLite the whole database."),
    "executions": StoredGauge("Executions by status, up to 10,000 of each.", "status"),
    "executions_oldest_queued_seconds": StoredGauge(
        "For how long the oldest QUEUED execution exists; 0 if none waits."
    ),
    "leases_overdue": StoredGauge("Executions whose lease has expired and that nobody has ended yet, up to 10,000."),
}
"""Of the whole installation, the same in each process: use `max`, not `sum`."""

BUILD_INFO: Final = "build_info"
BUILD_INFO_HELP: Final = "1, with the versions of Runwire, Python and the packages that it is built on."


class Row(NamedTuple):
    """A metric as the documentation lists it."""

    name: str  # as exposed
    kind: str
    label: str
    help: str


def rows() -> list[Row]:
    """All metrics of `/metrics` that are Runwire's own."""
    return [
        *(Row(f"{PREFIX}{name}_total", "counter", "", text) for name, text in COUNTERS.items()),
        Row(f"{PREFIX}refusals_total", "counter", "cause", REFUSALS_HELP),
        *(Row(f"{PREFIX}{name}_seconds", "histogram", each.label, each.help) for name, each in HISTOGRAMS.items()),
        *(Row(f"{PREFIX}{name}", "gauge", "", text) for name, text in GAUGES.items()),
        *(Row(f"{PREFIX}{name}", "gauge", each.label, each.help) for name, each in STORED_GAUGES.items()),
        Row(f"{PREFIX}{BUILD_INFO}", "gauge", "version", BUILD_INFO_HELP),
    ]


def help_of(name: str) -> str:
    """The text of a name that `count` takes."""
    return REFUSALS[name].help if name in REFUSALS else COUNTERS[name]
