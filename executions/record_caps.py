"""Whether a user's runs may record more. Who stores the events decides: a receiver of the signal `data_offered`.

The API and the pages ask before a start, the API before a report, too. The end of a run without outputs is never
refused: what has begun can always end. Code of this process (the services, the embedded runner, the ORM) is trusted: it
is charged, and not refused.
"""

from collections.abc import Iterable
from typing import Any

from executions.models import GraphExecution
from executions.signals import data_offered


class TooMuchRecorded(ValueError):  # noqa: N818 - the name says what is wrong
    """The runs of a user have recorded as much as they may for now. The message names the limit; it is for people.

    Attribute: `retry_after` (seconds).
    """

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def check_recorded(user_ids: Iterable[Any]) -> None:
    """Raises TooMuchRecorded if one of these users may not record more."""
    for user_id in sorted(set(user_ids)):
        data_offered.send(sender=GraphExecution, user_id=user_id)
