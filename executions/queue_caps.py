"""How many executions may wait: of one user, by number and by bytes, and for one engine, of all users.

A refused start raises QueueIsFull, sends the signal `start_refused` and writes nothing. The counts are read without a
lock: starts at the same moment may pass a cap by the number of their transactions. No cap counts rows one by one beyond
its limit, so a check costs the same however long the table is.
"""

from typing import Any

from executions.conf import limits
from executions.models import GraphExecution
from executions.signals import start_refused
from executions.sizes import size_of
from executions.statuses import ExecutionStatus


class QueueIsFull(ValueError):  # noqa: N818 - the name says what is wrong
    """Too much waits already. The message names the limit and the cure; it is for people.

    Attributes: `limit` (its name in settings.EXECUTIONS), `retry_after` (seconds).
    """

    def __init__(self, limit: str, message: str) -> None:
        super().__init__(f'{message} (EXECUTIONS["{limit}"]).')
        self.limit, self.retry_after = limit, limits.QUEUE_RETRY_AFTER


def check_queue(user_id: Any, runner: str, *values: Any) -> int:
    """Returns the bytes of these values, which a new or requeued execution stores. Raises QueueIsFull if it may not be
    queued for this runner."""
    try:
        return _check(user_id, runner, *values)
    except QueueIsFull as refused:
        start_refused.send(sender=GraphExecution, user_id=user_id, limit=refused.limit)
        raise


def _check(user_id: Any, runner: str, *values: Any) -> int:
    cure = "Wait until some have started, or terminate some"
    queued = GraphExecution.objects.filter(status=ExecutionStatus.QUEUED).order_by()
    waiting = list(queued.filter(user_id=user_id).values_list("queued_bytes", flat=True)[: limits.MAX_QUEUED_OF_USER])
    if len(waiting) >= limits.MAX_QUEUED_OF_USER:
        count = f"{limits.MAX_QUEUED_OF_USER:,} runs"
        raise QueueIsFull("MAX_QUEUED_OF_USER", f"{count} of this user wait already, which is the limit. {cure}")
    most = limits.MAX_QUEUED_BYTES_OF_USER
    size = sum(size_of(value, most) for value in values)
    if size + sum(waiting) > most:
        text = f"With this run, the graphs and inputs that wait for this user pass {most / 2**20:,.0f} MB"
        raise QueueIsFull("MAX_QUEUED_BYTES_OF_USER", f"{text}, which is the limit. {cure}")
    of_engine = queued.filter(runner=runner)
    if of_engine.values("pk")[limits.MAX_QUEUED - 1 : limits.MAX_QUEUED].exists():
        text = f"{limits.MAX_QUEUED:,} runs of all users wait already, which is the limit"
        raise QueueIsFull("MAX_QUEUED", f"{text}. Try again when some have started")
    return size
