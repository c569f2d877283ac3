"""What the messages of the access group say."""

from typing import Any, NamedTuple

from realtime.publishing.announcer import SESSION_MOVED


class AccessChanged(NamedTuple):
    """What these users may do has changed, on one stream or (None) everywhere; and what anybody may do on these
    streams."""

    users: list[str]
    stream: str | None
    streams: list[str]


class SessionMoved(NamedTuple):
    """A browser has another session key. `old` is the digest of the old one, `sealed` the new one, encrypted."""

    user_id: str
    old: str
    sealed: str


def parse(message: dict[str, Any]) -> AccessChanged | SessionMoved | None:
    """None for a message of another shape: anybody who reaches the channel layer can send one."""
    if message["type"] == SESSION_MOVED:
        moved: list[Any] = [message.get(name) for name in ("user", "old", "new")]
        return SessionMoved(*moved) if _are_texts(moved) else None
    users, stream, streams = message.get("users", []), message.get("stream"), message.get("streams", [])
    if not (users or streams) or not (_are_texts(users) and _are_texts(streams) and isinstance(stream, str | None)):
        return None
    return AccessChanged(users, stream, streams)


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(each, str) for each in values)
