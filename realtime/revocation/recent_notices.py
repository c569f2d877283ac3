"""The last notices, for handshakes that began before them. Pure: no Django, no I/O."""

REMEMBERED = 1_000


class RecentNotices:
    """`count` is the moment of a handshake; `concern` answers for a moment before the last REMEMBERED with yes."""

    def __init__(self) -> None:
        self._users: list[str] = []
        self._forgotten = 0

    @property
    def count(self) -> int:
        return self._forgotten + len(self._users)

    def add(self, user_id: str) -> None:
        self._users.append(user_id)
        if len(self._users) > REMEMBERED:
            self._forgotten += len(self._users) - REMEMBERED // 2
            del self._users[: -REMEMBERED // 2]

    def concern(self, user_id: str, since: int) -> bool:
        """Whether a notice about this user may have come since that moment."""
        return since < self._forgotten or user_id in self._users[since - self._forgotten :]
