"""The thread in which a server process does the housekeeping. It has one database connection, while it works."""

import atexit
import logging
import os
import threading
import time

from django.db import close_old_connections, connections

from realtime.conf import limits
from realtime.housekeeping.runner import run_due

logger = logging.getLogger(__name__)

_STOP_TIMEOUT = 1.0  # seconds that the end of the process waits for a batch; after it, the batch is rolled back
_SLEEP = 30.0  # seconds that the clock of the machine may be ahead of the time that the process has run
_AFTER_SLEEP = 30.0  # seconds in which others renew their leases, which expired while the machine slept


class HousekeepingThread:
    """`start` and `stop` may be called again, from any thread. Neither waits.

    The thread has the priority of the others. With a lower one, the system could take the processor from it while it
    holds the GIL, and every socket would wait. Small batches and pauses make room instead.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        os.register_at_fork(after_in_child=self._forget)

    def start(self) -> None:
        """Does nothing unless HOUSEKEEPING is "server"."""
        if limits.HOUSEKEEPING != "server" or self._thread is not None:
            return
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._stop,), name="realtime-housekeeping", daemon=True)
        self._thread.start()
        atexit.register(self.join)

    def stop(self) -> None:
        """The thread ends after its batch."""
        self._stop.set()

    def join(self) -> None:
        """Stops the thread, and waits for its end for a second at most."""
        self.stop()
        thread, self._thread = self._thread, None
        atexit.unregister(self.join)
        if thread is not None:
            thread.join(_STOP_TIMEOUT)

    def _run(self, stop: threading.Event) -> None:
        is_failing = False
        ahead = _clock_ahead()
        wait = limits.HOUSEKEEPING_POLL
        while not stop.wait(wait):
            ahead, before = _clock_ahead(), ahead
            if ahead - before > _SLEEP:
                wait = _AFTER_SLEEP
                continue
            wait = limits.HOUSEKEEPING_POLL
            try:
                run_due(stop.wait)
                is_failing = False
            except Exception:
                if not is_failing:  # only the first time: while the database is away, each attempt fails
                    logger.exception("Housekeeping cannot run; it is tried again every %g s", wait)
                is_failing = True
            finally:
                close_old_connections()
        connections.close_all()

    def _forget(self) -> None:
        """In a forked child the thread does not exist."""
        self._thread = None


def _clock_ahead() -> float:
    """Grows when the clock is set, and when the machine sleeps, since the time of a process stands still then."""
    return time.time() - time.monotonic()
