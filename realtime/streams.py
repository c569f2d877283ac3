"""The kinds of streams. No other file builds or parses stream keys and group names.

    kind             key (on the wire: `channel`)    group (Channels)
    one execution    U|graph_exec#E                  graph_exec.U.E
    one graph's      U|graph#G|executions            graph_execs.U.G
    notifications    U|notifications                 notifications.U
    a shared one     guest|shared#E                  stream.shared.guest.E
    an app's own     U|KIND#ID                       stream.KIND.U.ID

U is the id of the user who owns the stream. If a part of the key is unsafe for Channels, or too long, the group is a
hash. No two keys have the same group. Pure: no Django, no I/O.
"""

import re
from hashlib import blake2b
from typing import NamedTuple

ACCESS_GROUP = "realtime.access"
"""The group of all processes, for notices that somebody's access has changed. No stream has it."""

_MAX_GROUP_LENGTH = 99  # Channels requires fewer than 100 characters
_OWN_KIND = re.compile(r"[a-z][a-z0-9_]{0,40}")
_RESERVED_KINDS = frozenset({"graph_exec", "graph", "shared"})
_KIND_AND_ID = re.compile(r"\|([a-z][a-z0-9_]{0,40})#(.*)", re.DOTALL)
_PART = r"([A-Za-z0-9_-]+)"
_GROUPS = (
    (re.compile(rf"{_PART}\|graph_exec#{_PART}"), "graph_exec.{}.{}"),
    (re.compile(rf"{_PART}\|graph#{_PART}\|executions"), "graph_execs.{}.{}"),
    (re.compile(rf"{_PART}\|notifications"), "notifications.{}"),
    (re.compile(rf"{_PART}\|([a-z0-9_]+)#{_PART}"), "stream.{1}.{0}.{2}"),
)


def graph_exec(user_id: str, graph_exec_id: str) -> str:
    """The key of the stream of all graph and node events of one execution. `user_id` is the id of its owner."""
    return f"{user_id}|graph_exec#{graph_exec_id}"


def graph_execs(user_id: str, graph_id: str) -> str:
    """The key of the stream of the graph events of all executions of one graph by one user."""
    return f"{user_id}|graph#{graph_id}|executions"


def shared(graph_exec_id: str) -> str:
    """The key of the stream of what somebody with a link sees of one execution. It does not name the owner."""
    return f"guest|shared#{graph_exec_id}"


def notifications(user_id: str) -> str:
    """The key of the stream of one user's notifications."""
    return f"{user_id}|notifications"


def own(kind: str, user_id: str, id: str) -> str:
    """The key of a stream of another app. Raises ValueError for a kind that is not lower_case, or is reserved."""
    if not _OWN_KIND.fullmatch(kind) or kind in _RESERVED_KINDS:
        raise ValueError(f"{kind!r} cannot be a kind of stream: use lower_case letters, and none of ours.")
    return f"{user_id}|{kind}#{id}"


class StreamName(NamedTuple):
    kind: str  # `graph_exec`, `graph`, `shared`, `notifications`, or that of another app
    id: str  # of the execution, the graph …; empty for notifications


def parse(key: str) -> StreamName | None:
    """The kind and the id in a key. None for a key that is not built by this module."""
    if is_notifications(key):
        return StreamName("notifications", "")
    match = _KIND_AND_ID.search(key)
    return StreamName(match[1], match[2].removesuffix("|executions")) if match else None


def group(key: str) -> str:
    """The Channels group of the stream with this key."""
    for pattern, template in _GROUPS:
        if match := pattern.fullmatch(key):
            name = template.format(*match.groups())  # ten times as fast as `match.expand`, which parses its template
            if len(name) <= _MAX_GROUP_LENGTH:
                return name
    return f"stream..{blake2b(key.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"


def is_notifications(key: str) -> bool:
    """Whether the stream is a user's notifications. Frames of these have no `channel`."""
    return key.endswith("|notifications") and "#" not in key  # an id in another key may end like this
