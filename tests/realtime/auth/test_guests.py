"""Guests: what their links open, and whether they still hold."""

from collections.abc import Collection, Iterator
from typing import Any

import pytest

from realtime import streams
from realtime.auth import guests
from realtime.auth.guests import Guest, GuestProof, Link, check_guests
from realtime.auth.identity import CredentialsRefused, Identity, Proof, _check
from realtime.auth.stream_access import _find_key
from realtime.wire.close_codes import CloseCode
from realtime.wire.requests import (
    StreamTarget,
    Subscribe,
    SubscribeGraphExec,
    SubscribeGraphExecs,
    SubscribeNotifications,
    SubscribeStream,
)

ONE, TWO = streams.shared("e1"), streams.shared("e2")
links: dict[str, Link] = {}
asked: list[set[str]] = []


def find_links(tokens: Collection[str]) -> dict[str, Link]:
    asked.append({*tokens})
    return {token: link for token, link in links.items() if token in tokens}


@pytest.fixture
def _links() -> Iterator[None]:
    known = list(guests._find_links)
    guests.register(find_links)
    links.update({"a": Link(ONE, 7.0), "b": Link(TWO, None)})
    yield
    guests._find_links[:] = known
    links.clear()
    asked.clear()


@pytest.mark.parametrize(
    "data",
    [
        SubscribeStream(kind="shared", id="e2"),
        SubscribeStream(kind="shared", id="E1"),
        SubscribeStream(kind="shared", id="e1 "),
        SubscribeStream(kind="graph_exec", id="e1"),
        SubscribeStream(kind="guest|shared#e1", id="e1"),
        SubscribeGraphExec(graph_exec_id="e1"),
        SubscribeGraphExecs(graph_id="e1"),
        SubscribeNotifications(notifications=True),
    ],
    ids=repr,
)
def test_a_guest_may_watch_its_own_stream_only(data: Subscribe) -> None:
    assert _find_key(Guest(ONE), SubscribeStream(kind="shared", id="e1")) == ONE
    assert _find_key(Guest(ONE), data) is None


def test_a_guest_is_no_user() -> None:
    for name in ("pk", "id", "is_staff", "has_perm", "is_authenticated"):
        with pytest.raises(AttributeError):
            getattr(Guest(ONE), name)
    assert Guest(ONE).user_id == "guest:guest|shared#e1"
    assert StreamTarget(kind="shared", id="e1").model_dump() == {"kind": "shared", "id": "e1"}


@pytest.mark.usefixtures("_links")
def test_a_proof_holds_while_its_token_opens_the_same_stream() -> None:
    proofs = [GuestProof("a", ONE), GuestProof("b", ONE), GuestProof("b", TWO), GuestProof("c", ONE)]
    assert check_guests(proofs) == {
        proofs[0]: Link(ONE, 7.0),
        proofs[1]: None,
        proofs[2]: Link(TWO, None),
        proofs[3]: None,
    }
    assert asked == [{"a", "b", "c"}]
    assert check_guests([]) == {}
    assert len(asked) == 1


@pytest.mark.usefixtures("_links")
def test_guests_and_users_are_checked_together(
    django_user_model: Any, db: None, django_assert_num_queries: Any
) -> None:
    user = django_user_model.objects.create(username="user")
    guest, stranger = GuestProof("a", ONE), GuestProof("c", ONE)
    with django_assert_num_queries(1):
        found = _check([Proof(user.pk), guest, stranger])
    assert found[Proof(user.pk)] == Identity(user)
    assert found[guest] == Identity(Guest(ONE), 7.0)
    refusal = found[stranger]
    assert isinstance(refusal, CredentialsRefused)
    assert (refusal.code, refusal.text) == (CloseCode.BAD_TOKEN, "Invalid or expired token")
    with django_assert_num_queries(0):
        _check([guest])
