"""Notices that somebody's access has changed, sent after the commit.

A notice says "look again", and never "grant" or "revoke": each process checks its sockets against the database. So one
that is forged, late or doubled does no harm, and for one that is lost there is the check every RECHECK_INTERVAL.
"""

from collections.abc import Iterable
from typing import Any, overload

from django.db import connections, transaction

from realtime.log.store import database
from realtime.publishing import announcer

MAX_USERS = 500  # in one notice; of streams as many


@overload
def revoke(user: Any, /) -> None: ...
@overload
def revoke(stream: str, user: Any, /) -> None: ...
def revoke(*subject: Any) -> None:
    """What the user may do has changed, or on one stream (`realtime.streams` makes keys): after the commit of the
    current transaction every process looks again, and closes what the user may not have any more. Change your own data
    first: the sockets of a user who may still watch go on. `user` is a user or a primary key."""
    if not 1 <= len(subject) <= 2:
        raise TypeError("Use revoke(user) or revoke(stream, user).")
    notify_access_changed([subject[-1]], subject[0] if len(subject) == 2 else None)


def notify_access_changed(users: Iterable[Any], stream: str | None = None, *, using: str | None = None) -> None:
    """Sends a notice about these users after the commit. `using` is the database of the change."""
    using = using or database()
    ids = {str(getattr(user, "pk", user)) for user in users}
    hooks = (hook for _, hook, *_ in connections[using].run_on_commit if isinstance(hook, _Notice))
    notice = next((hook for hook in hooks if hook.stream == stream), None) or _Notice(stream)
    notice.user_ids |= ids
    # Registered with each change: Django drops a hook of a savepoint that is rolled back.
    transaction.on_commit(notice, using)


def notify_streams_changed(streams: Iterable[str], *, using: str | None = None) -> None:
    """Sends a notice about all who watch one of these streams, after the commit. `using` is the database of the
    change."""
    keys = sorted(set(streams))

    def announce() -> None:
        for start in range(0, len(keys), MAX_USERS):
            announcer.announce_access(announcer.ACCESS_CHANGED, streams=keys[start : start + MAX_USERS])

    if keys:
        transaction.on_commit(announce, using or database())


class _Notice:
    """The hook that sends the notice of one transaction. It may name users of a savepoint that was rolled back; each
    costs a look and nothing more."""

    def __init__(self, stream: str | None) -> None:
        self.user_ids: set[str] = set()
        self.stream = stream

    def __call__(self) -> None:
        ids, self.user_ids = sorted(self.user_ids), set()
        for start in range(0, len(ids), MAX_USERS):
            fields: dict[str, Any] = {"users": ids[start : start + MAX_USERS]}
            if self.stream is not None:
                fields["stream"] = self.stream
            announcer.announce_access(announcer.ACCESS_CHANGED, **fields)
