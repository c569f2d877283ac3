import pytest

from realtime.throttling import Cap, ReachedCap, ServerCaps


def test_a_cap_counts_each_key_for_itself() -> None:
    cap = Cap()
    assert [cap.try_acquire(key, 2) for key in "aabab"] == [True, True, True, False, True]


def test_who_leaves_makes_room_for_one() -> None:
    cap = Cap()
    cap.try_acquire("a", 1)
    cap.release("a")
    assert [cap.try_acquire("a", 1), cap.try_acquire("a", 1)] == [True, False]


def test_nothing_is_kept_of_a_key_that_has_left() -> None:
    cap = Cap()
    for _ in range(2):
        cap.try_acquire("a", 0)
    cap.release("a")
    cap.release("a")
    assert cap._counts == {}


def test_zero_is_no_cap() -> None:
    cap = Cap()
    assert all(cap.try_acquire("a", 0) for _ in range(1_000))


def test_the_cap_of_the_process_is_over_all_addresses() -> None:
    caps = ServerCaps()
    answers = [
        caps.try_acquire(address, limit=2, address_limit=9) for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3")
    ]
    assert answers == [None, None, ReachedCap.PROCESS]


def test_who_is_refused_for_the_address_takes_no_place_of_the_process() -> None:
    caps = ServerCaps()
    answers = [
        caps.try_acquire(address, limit=2, address_limit=1) for address in ("2001:db8::1", "2001:db8::1", "192.0.2.1")
    ]
    assert answers == [None, ReachedCap.ADDRESS, None]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", None])
def test_the_loopback_and_a_socket_without_address_have_no_cap_of_their_own(address: str | None) -> None:
    caps = ServerCaps()
    assert [caps.try_acquire(address, limit=9, address_limit=1) for _ in range(2)] == [None, None]
    caps.release(address)
    caps.release(address)


def test_what_a_proxy_calls_an_address_need_not_be_one() -> None:
    caps = ServerCaps()
    assert caps.try_acquire("unknown", limit=9, address_limit=1) is None
    assert caps.try_acquire("unknown", limit=9, address_limit=1) is ReachedCap.ADDRESS
