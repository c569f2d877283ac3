"""The caps on connections."""

import pytest

from realtime.throttling import Cap, ReachedCap, ServerCaps


def test_a_cap_counts_each_key_separately() -> None:
    cap = Cap()
    assert [cap.try_acquire(key, 2) for key in "aabab"] == [True, True, True, False, True]


def test_after_a_release_one_more_is_admitted() -> None:
    cap = Cap()
    cap.try_acquire("a", 1)
    cap.release("a")
    assert [cap.try_acquire("a", 1), cap.try_acquire("a", 1)] == [True, False]


def test_a_key_without_connections_is_not_kept() -> None:
    cap = Cap()
    for _ in range(2):
        cap.try_acquire("a", 0)
    cap.release("a")
    cap.release("a")
    assert cap._counts == {}


def test_a_limit_of_zero_is_no_limit() -> None:
    cap = Cap()
    assert all(cap.try_acquire("a", 0) for _ in range(1_000))


def test_the_cap_of_the_process_counts_all_addresses() -> None:
    caps = ServerCaps()
    results = [
        caps.try_acquire(address, limit=2, address_limit=9) for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3")
    ]
    assert results == [None, None, ReachedCap.PROCESS]


def test_a_socket_refused_for_its_address_does_not_count_for_the_process() -> None:
    caps = ServerCaps()
    results = [
        caps.try_acquire(address, limit=2, address_limit=1) for address in ("2001:db8::1", "2001:db8::1", "192.0.2.1")
    ]
    assert results == [None, ReachedCap.ADDRESS, None]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", None])
def test_loopback_addresses_and_sockets_without_address_have_no_address_cap(address: str | None) -> None:
    caps = ServerCaps()
    assert [caps.try_acquire(address, limit=9, address_limit=1) for _ in range(2)] == [None, None]
    caps.release(address)
    caps.release(address)


def test_an_address_from_a_proxy_may_be_any_text() -> None:
    caps = ServerCaps()
    assert caps.try_acquire("unknown", limit=9, address_limit=1) is None
    assert caps.try_acquire("unknown", limit=9, address_limit=1) is ReachedCap.ADDRESS
