"""The rate limit on messages."""

from realtime.throttling import TokenBucket


def count_passed(bucket: TokenBucket, now: float) -> int:
    """How many messages pass at this time."""
    number = 0
    while bucket.take(now):
        number += 1
    return number


def test_one_burst_passes_at_once() -> None:
    assert count_passed(TokenBucket(rate=2, burst=5, now=100), 100) == 5


def test_after_a_burst_messages_pass_at_the_rate() -> None:
    bucket = TokenBucket(rate=2, burst=5, now=100)
    count_passed(bucket, 100)
    assert [count_passed(bucket, now) for now in (100.4, 100.5, 101.5)] == [0, 1, 2]


def test_a_silent_connection_gains_at_most_one_burst() -> None:
    bucket = TokenBucket(rate=2, burst=5, now=100)
    count_passed(bucket, 100)
    assert count_passed(bucket, 1_000) == 5


def test_a_client_that_sends_at_the_rate_always_passes() -> None:
    bucket = TokenBucket(rate=4, burst=1, now=0)
    assert all(bucket.take(number / 4) for number in range(1_000))
