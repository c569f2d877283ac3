"""Stream keys and group names."""

import pytest
from channels.layers import BaseChannelLayer
from hypothesis import assume, example, given
from hypothesis import strategies as st

from realtime import streams

UUID = "0f3a1a52-5b0e-4a53-9d53-3d6e1f0c7c11"
# Hostile ids: separators, reserved words, line ends, lone surrogates, any length
PIECES = st.sampled_from(["|", "#", ".", "..", "graph", "graph_exec", "executions", "notifications", "stream", "\n"])
HOSTILE = st.one_of(
    st.text(st.characters(codec=None, exclude_categories=()), max_size=12),
    st.lists(PIECES | st.sampled_from(["a", "b", "1", "é", "\ud800"]), max_size=8).map("".join),
    st.sampled_from(["a" * 95, "a" * 300, "a" * 300 + "b"]),
)
KEYS = st.one_of(
    HOSTILE,
    st.builds(streams.graph_exec, HOSTILE, HOSTILE),
    st.builds(streams.graph_execs, HOSTILE, HOSTILE),
    st.builds(streams.notifications, HOSTILE),
    st.builds(streams.own, st.sampled_from(["orders", "a", "executions", "notifications"]), HOSTILE, HOSTILE),
)


def test_keys_have_the_form_of_the_wire() -> None:
    assert streams.graph_exec("U", "E") == "U|graph_exec#E"
    assert streams.graph_execs("U", "G") == "U|graph#G|executions"
    assert streams.notifications("U") == "U|notifications"
    assert streams.own("orders", "U", "7") == "U|orders#7"


@pytest.mark.parametrize(
    ("key", "group"),
    [
        (streams.graph_exec("user-1", "graph-exec-1"), "graph_exec.user-1.graph-exec-1"),
        (streams.graph_exec(UUID, UUID), f"graph_exec.{UUID}.{UUID}"),
        (streams.graph_execs("1", UUID), f"graph_execs.1.{UUID}"),
        (streams.notifications("1"), "notifications.1"),
        (streams.own("orders", "1", "7"), "stream.orders.1.7"),
    ],
)
def test_groups_of_ordinary_ids_are_readable(key: str, group: str) -> None:
    assert streams.group(key) == group


@given(KEYS)
@example("a\n|notifications")
@example("1|notifications\n")
def test_every_key_has_a_group_that_channels_accepts(key: str) -> None:
    assert BaseChannelLayer().require_valid_group_name(streams.group(key))


@given(KEYS, KEYS)
@example(streams.graph_exec("a.b", "c"), streams.graph_exec("a", "b.c"))
@example(streams.notifications("x"), streams.notifications("x\n"))
@example(streams.own("orders", "a", "b"), "stream.orders.a.b")
@example("a" * 300, "a" * 301)
def test_no_two_keys_share_a_group(one: str, other: str) -> None:
    assume(one != other)
    assert streams.group(one) != streams.group(other)


def test_a_hashed_group_is_not_the_readable_group_of_another_key() -> None:
    hashed = streams.group("a.b|notifications")
    digest = hashed.removeprefix("stream..")
    assert hashed != digest
    assert streams.group(f"{digest}|notifications") != hashed


PLAIN_USERS = st.text(st.characters(exclude_characters="|#", exclude_categories=("Cs",)), min_size=1, max_size=5)


@given(st.lists(st.tuples(st.integers(0, 3), PLAIN_USERS, HOSTILE), min_size=2, max_size=2, unique=True))
def test_no_two_streams_share_a_key_for_any_ids(pair: list[tuple[int, str, str]]) -> None:
    kinds = [
        streams.graph_exec,
        streams.graph_execs,
        lambda user, _: streams.notifications(user),
        lambda user, id: streams.own("orders", user, id),
    ]
    one, other = ((kind, user, "" if kind == 2 else id) for kind, user, id in pair)
    assume(one != other)
    assert kinds[one[0]](*one[1:]) != kinds[other[0]](*other[1:])


@given(PLAIN_USERS, HOSTILE)
@example("1", "x|notifications")
def test_only_keys_of_notifications_are_recognised_as_notifications(user: str, id: str) -> None:
    assert streams.is_notifications(streams.notifications(user))
    assert not streams.is_notifications(streams.graph_exec(user, id))
    assert not streams.is_notifications(streams.graph_execs(user, id))
    assert not streams.is_notifications(streams.own("orders", user, id))


@pytest.mark.parametrize("kind", ["graph_exec", "graph", "", "Orders", "or-ders", "a#b", "a|b", "1a", "a" * 42, "a\n"])
def test_a_reserved_or_ambiguous_kind_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="cannot be a kind"):
        streams.own(kind, "1", "7")


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (streams.graph_exec("7", "e"), ("graph_exec", "e")),
        (streams.graph_execs("7", "g"), ("graph", "g")),
        (streams.notifications("7"), ("notifications", "")),
        (streams.own("orders", "7", "a|b#c\n"), ("orders", "a|b#c\n")),
        (streams.graph_exec("a|b", "e"), ("graph_exec", "e")),
        ("what", None),
    ],
)
def test_the_kind_and_the_id_are_read_from_a_key(key: str, name: tuple[str, str] | None) -> None:
    assert streams.parse(key) == name
