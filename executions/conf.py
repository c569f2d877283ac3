"""The limits of bulk writes, of the HTTP API and of the embedded runner: their defaults and their reasons.
`settings.EXECUTIONS` overrides by name.

    from executions.conf import limits
    limits.NODE_TIMEOUT    # read when it is used, so that tests and `override_settings` work
"""

import os
from dataclasses import dataclass
from typing import Any

from django.conf import settings


@dataclass(frozen=True)
class Limits:
    """Defaults. Times are seconds."""

    MAX_BULK_EVENTS: int = 10_000  # rows of one bulk write, each of which records an event in one transaction

    BLOCK_MODULES: tuple[str, ...] = ()  # a project's own, besides those of executions.blocks

    RUNS: int = 4  # executions that one process runs at once; the others stay QUEUED
    WORKERS: int = max(2, (os.cpu_count() or 2) - 1)  # processes for blocks, behind the sockets in priority
    NODE_TIMEOUT: float = 60.0  # one node; its worker is killed then, since nothing else stops a busy block
    WORKER_START_TIMEOUT: float = 30.0  # Python, pydantic and the block modules on a machine that is busy

    POLL_INTERVAL: float = 1.0  # how late a run that another process queued or stopped is noticed
    LEASE: float = 30.0  # a run whose owner was silent for so long has lost it
    HEARTBEAT: float = 10.0  # three chances to renew a lease
    # The HTTP API
    MAX_BODY_BYTES: int = 2 * 1024 * 1024  # below Django's DATA_UPLOAD_MAX_MEMORY_SIZE; two of the largest events
    MAX_REPORTS: int = 1_000  # of one batch, which holds the locks of its executions until all are done
    PAGE_SIZE: int = 50  # rows of a list, where the client names no number
    MAX_PAGE_SIZE: int = 200  # and the most that it may name
    IDEMPOTENCY_LIFETIME: float = 86_400.0  # a worker that repeats itself after a day means something else
    LEASE_SWEEP_INTERVAL: float = 5.0  # how often a process that gets reports looks for workers that went silent

    STOP_TIMEOUT: float = 5.0  # how long a stopping server waits for its runs to be handed back


DEFAULTS = Limits()


class _Limits:
    """Looks a limit up in `settings.EXECUTIONS`, else in the defaults."""

    def __getattr__(self, name: str) -> Any:
        default = getattr(DEFAULTS, name)
        return getattr(settings, "EXECUTIONS", {}).get(name, default)


limits = _Limits()
