import pytest

from realtime.throttling import Cap, Full, ServerCaps


def test_a_cap_counts_each_key_for_itself() -> None:
    cap = Cap()
    assert [cap.enter(key, 2) for key in "aabab"] == [True, True, True, False, True]


def test_who_leaves_makes_room_for_one() -> None:
    cap = Cap()
    cap.enter("a", 1)
    cap.leave("a")
    assert [cap.enter("a", 1), cap.enter("a", 1)] == [True, False]


def test_nothing_is_kept_of_a_key_that_has_left() -> None:
    cap = Cap()
    for _ in range(2):
        cap.enter("a", 0)
    cap.leave("a")
    cap.leave("a")
    assert cap._counts == {}


def test_zero_is_no_cap() -> None:
    cap = Cap()
    assert all(cap.enter("a", 0) for _ in range(1_000))


def test_the_cap_of_the_process_is_over_all_addresses() -> None:
    caps = ServerCaps()
    answers = [caps.enter(address, most=2, most_of_address=9) for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3")]
    assert answers == [None, None, Full.PROCESS]


def test_who_is_refused_for_the_address_takes_no_place_of_the_process() -> None:
    caps = ServerCaps()
    answers = [
        caps.enter(address, most=2, most_of_address=1) for address in ("2001:db8::1", "2001:db8::1", "192.0.2.1")
    ]
    assert answers == [None, Full.ADDRESS, None]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", None])
def test_the_loopback_and_a_socket_without_address_have_no_cap_of_their_own(address: str | None) -> None:
    caps = ServerCaps()
    assert [caps.enter(address, most=9, most_of_address=1) for _ in range(2)] == [None, None]
    caps.leave(address)
    caps.leave(address)


def test_what_a_proxy_calls_an_address_need_not_be_one() -> None:
    caps = ServerCaps()
    assert caps.enter("unknown", most=9, most_of_address=1) is None
    assert caps.enter("unknown", most=9, most_of_address=1) is Full.ADDRESS
