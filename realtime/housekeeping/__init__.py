"""What keeps the tables from growing: jobs that run by themselves, each in one process at a time.

A job is a generator that works in short transactions and can be stopped after each. The table `HousekeepingJob` says
when each is due, who runs it, and what it did. Any number of processes may call `run_due`.
"""

from realtime import asgi_extension
from realtime.housekeeping import leftovers, retention
from realtime.housekeeping.jobs import register
from realtime.housekeeping.runner import run_due
from realtime.housekeeping.thread import HousekeepingThread

__all__ = ["connect", "run_due"]


def connect() -> None:
    """Registers the jobs of the log, and the thread that a server runs."""
    register(retention.JOB)
    register(leftovers.JOB)
    asgi_extension.background.append(HousekeepingThread())
