"""Guests: connections that show a link, and belong to no user. Reads the database.

An app gives out links and registers who knows them. A link opens one stream, and nothing else. Without such an app no
link opens anything.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from realtime import streams


class Guest(NamedTuple):
    """Who has a link to a stream. A guest is no user: code that asks for a primary key or a permission fails."""

    stream: str

    @property
    def user_id(self) -> str:
        """Names all guests of the stream together: for notices, and for the cap of their sockets."""
        return user_id_of_guests(self.stream)

    def may_watch(self, kind: str, id: str) -> bool:
        return streams.parse(self.stream) == (kind, id)


class GuestProof(NamedTuple):
    """The token of a link, and the stream that it opened at the handshake. It holds while it opens the same stream."""

    token: str
    stream: str


class Link(NamedTuple):
    """What a token opens."""

    stream: str
    expires_at: float | None  # seconds since 1970; None: never


FindLinks = Callable[[Collection[str]], Mapping[str, Link]]
"""Gets tokens, which may be any texts. Returns the links that are good now, by token, with a bounded number of queries.
A token that is wrong, has ended or was taken back is left out."""

_find_links: list[FindLinks] = []


def register(find_links: FindLinks) -> None:
    """Makes this function the one that knows the links."""
    _find_links[:] = [find_links]


def user_id_of_guests(stream: str) -> str:
    """As `Guest.user_id`."""
    return f"guest:{stream}"


def find_links(tokens: Collection[str]) -> Mapping[str, Link]:
    return _find_links[0](tokens) if _find_links and tokens else {}


def check_guests(proofs: Sequence[GuestProof]) -> dict[GuestProof, Link | None]:
    """The link of each proof that still holds, or None."""
    links = find_links({proof.token for proof in proofs})
    found = {proof: links.get(proof.token) for proof in proofs}
    return {proof: link if link and link.stream == proof.stream else None for proof, link in found.items()}
