"""How the log holds a notification: the id first, then what the client gets as `data`.

    {"notification_id":"5e0c…","type":"info","event":"hey"}    in the log
    {"type":"info","event":"hey"}                              in a frame, which has the id in a field of its own

A notification that an older version has recorded has no id. Pure: no Django, no I/O.
"""

import json
import re
from typing import Final

_ID: Final = re.compile(r'\{"notification_id":("(?:[^"\\]|\\.)*"),')


def with_id(id: str, payload: str) -> str:
    """What the log holds of this notification. `payload` is a JSON object with at least one field."""
    return f'{{"notification_id":{json.dumps(id)},{payload[1:]}'


def split_id(data: str) -> tuple[str | None, str]:
    """The id of a notification, or None if the log does not have it, and its payload as JSON."""
    found = _ID.match(data)
    if found is None:
        return None, data
    return json.loads(found[1]), "{" + data[found.end() :]
