from realtime.throttling import TokenBucket


def taken(bucket: TokenBucket, now: float) -> int:
    """How many messages pass at this moment."""
    number = 0
    while bucket.take(now):
        number += 1
    return number


def test_a_burst_passes_at_once_and_no_message_more() -> None:
    assert taken(TokenBucket(rate=2, burst=5, now=100), 100) == 5


def test_so_many_pass_a_second_after_a_burst() -> None:
    bucket = TokenBucket(rate=2, burst=5, now=100)
    taken(bucket, 100)
    assert [taken(bucket, now) for now in (100.4, 100.5, 101.5)] == [0, 1, 2]


def test_a_silent_connection_saves_up_one_burst_and_not_two() -> None:
    bucket = TokenBucket(rate=2, burst=5, now=100)
    taken(bucket, 100)
    assert taken(bucket, 1_000) == 5


def test_who_sends_at_the_rate_is_never_stopped() -> None:
    bucket = TokenBucket(rate=4, burst=1, now=0)
    assert all(bucket.take(number / 4) for number in range(1_000))
