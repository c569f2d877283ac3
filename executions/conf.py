"""The access policy, and the limits of bulk writes, of the HTTP API and of the embedded runner, with their defaults and
reasons.

`settings.EXECUTIONS` overrides a default by its name.

    from executions.conf import limits
    limits.NODE_TIMEOUT    # looked up at each use, so tests can change settings
"""

import os
from dataclasses import dataclass
from typing import Any

from django.conf import settings


@dataclass(frozen=True)
class Limits:
    """The defaults. Times are in seconds."""

    # The path of the class that decides who may see and change executions and graphs (executions/access_policies.py)
    ACCESS: str = "executions.access_policies.OwnersAndStaff"

    MAX_BULK_EVENTS: int = 10_000  # rows of one bulk write: each records an event in the same transaction

    # JSON of people and programs: bodies, form fields, files
    MAX_JSON_VALUES: int = 100_000  # of one text; an event of 1 MB has room for a list of about so many numbers
    MAX_JSON_DEPTH: int = 400  # above the 200 levels of a value, whose error names the path; below Python's 1,000 calls

    # The embedded runner
    BLOCK_MODULES: tuple[str, ...] = ()  # modules with blocks of the project, besides executions.blocks

    RUNS: int = 4  # executions of one user that one process runs concurrently; the others stay QUEUED
    MAX_RUNS: int = 16  # of all users: a run that waits costs a thread, and a user with a short run need not wait
    # For the nodes of one user; one more is for others. They have a lower priority than the sockets.
    BLOCK_PROCESSES: int = max(2, (os.cpu_count() or 2) - 1)
    BLOCK_MEMORY: int = 512 * 2**20  # bytes of address space of a block process; it has 120 MB when it is idle
    MAX_RUN_BYTES: int = 32 * 2**20  # that one run writes; the largest sample writes 9 MB, from a text of 256 KB
    NODE_TIMEOUT: float = 60.0  # of one node; then its block process is killed: nothing else stops a busy block
    BLOCK_PROCESS_START_TIMEOUT: float = 30.0  # time to import pydantic and the block modules on a busy machine

    POLL_INTERVAL: float = 1.0  # the delay until a run that another process queued or stopped is noticed
    LEASE: float = 30.0  # a run whose owner did not renew for so long is ended as FAILED
    HEARTBEAT: float = 10.0  # the interval of renewals: a lease survives two that fail
    STOP_TIMEOUT: float = 5.0  # the time that a stopping server gives its runs to release their claims

    # The queue: executions that are QUEUED, of any engine. Beyond them, `start_execution` is refused (429).
    MAX_QUEUED_OF_USER: int = 100  # more than a person starts by hand
    MAX_QUEUED_BYTES_OF_USER: int = 64 * 2**20  # definitions and inputs; 100 executions may have 4 MB each
    MAX_QUEUED: int = 2_000  # for one engine, of all users; each claim reads them
    QUEUE_RETRY_AFTER: int = 10  # the Retry-After of the answer

    # Sessions of people
    SESSION_IDLE_TIMEOUT: float = 0.0  # a session without a request for so long ends; 0: none does before its two weeks
    MAX_SESSIONS_OF_USER: int = 100  # more than a person has browsers; a login beyond it ends the least recently used

    # What events, pages and answers show
    SHOW_CREDENTIAL_INPUTS: bool = False  # whoever may watch a run would see its keys and passwords
    SHARE_LIFETIME: float | None = 30 * 86_400.0  # of a link, the longest and the default; None: links for ever, too
    # Shell patterns, in any case: whoever has a link sees no values of outputs with such names, at any depth
    SHARE_MASKED: tuple[str, ...] = (
        *("*password*", "*passwd*", "*secret*", "*token*", "*api?key*", "*apikey*", "*private?key*", "*privatekey*"),
        *("*credential*", "*authorization*", "*cookie*"),
    )
    MAX_GRAPHS_OF_USER: int = 500  # that the API makes; the form for a run lists all
    MAX_GRAPH_BYTES_OF_USER: int = 64 * 2**20  # of their nodes and links; the largest graph has 2 MB

    # Pages and answers
    MAX_ANSWER_BYTES: int = 4 * 2**20  # inputs and outputs of nodes in one page or answer; at least one node is there

    # The HTTP API
    MAX_BODY_BYTES: int = 2 * 1024 * 1024  # less than Django's DATA_UPLOAD_MAX_MEMORY_SIZE; twice the largest event
    MAX_REPORTS: int = 1_000  # of one request, which locks its executions until all are recorded
    PAGE_SIZE: int = 50  # rows of a list if the client names no number
    MAX_PAGE_SIZE: int = 200  # the largest number that a client may name
    MAX_KEPT_ANSWER: int = (
        4_096  # characters of an answer kept for repeats; of a longer one, which row it shows is kept
    )
    IDEMPOTENCY_LIFETIME: float = 86_400.0  # a key that a worker sends again after a day belongs to a new request

    # Housekeeping
    LEASE_SWEEP_INTERVAL: float = 5.0  # between two looks for expired leases
    READ_NOTIFICATION_LIFETIME: float | None = 30 * 86_400.0  # after it was read; None: for ever
    EXECUTION_LIFETIME: float | None = None  # after its end; None: for ever. 90 * 86_400: a quarter of a year


DEFAULTS = Limits()


class _Limits:
    """Reads a limit from `settings.EXECUTIONS`, else from the defaults."""

    def __getattr__(self, name: str) -> Any:
        default = getattr(DEFAULTS, name)
        return getattr(settings, "EXECUTIONS", {}).get(name, default)


limits = _Limits()
