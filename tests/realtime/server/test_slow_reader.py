"""Which readers are too slow. The clock is a number."""

from realtime.server.slow_reader import ReadProgress, SlowReaderPolicy

POLICY = SlowReaderPolicy(stall_timeout=30, min_rate=1_024, window=60)


def faults(rate: float, *, seconds: int, step: int) -> list[str]:
    """The faults of a client that takes `rate` bytes a second, in steps of `step` bytes, and is checked each second."""
    progress = ReadProgress(POLICY, 0, 0)
    found = (progress.find_fault(now, int(now * rate) // step * step) for now in range(1, seconds))
    return [fault for fault in found if fault]


def test_a_client_that_takes_nothing_is_too_slow_after_the_stall_timeout() -> None:
    progress = ReadProgress(POLICY, 100, 5_000)
    assert progress.find_fault(129.9, 5_000) is None
    assert progress.find_fault(130, 5_000) == "has not read for 30 s"


def test_a_client_that_takes_a_byte_now_and_then_is_too_slow() -> None:
    assert faults(0.1, seconds=62, step=1) == ["has read less than 1024 bytes a second for 60 s"] * 2


def test_a_client_that_takes_50_kilobytes_a_second_in_large_steps_is_accepted() -> None:
    assert faults(50_000, seconds=3_600, step=1_000_000) == []


def test_a_client_that_takes_two_kilobytes_a_second_is_accepted() -> None:
    assert faults(2_048, seconds=3_600, step=32_768) == []


def test_the_stall_timeout_begins_with_the_last_byte() -> None:
    progress = ReadProgress(POLICY, 0, 0)
    assert [progress.find_fault(now, now * 9_000) for now in range(1, 1_000)] == [None] * 999
    assert progress.find_fault(1_029, 999 * 9_000) == "has not read for 30 s"


def test_the_rate_is_measured_over_the_last_window_only() -> None:
    progress = ReadProgress(POLICY, 0, 0)
    assert progress.find_fault(60, 10_000_000) is None
    assert progress.find_fault(90, 10_010_000) is None
    assert progress.find_fault(120, 10_020_000) == "has read less than 1024 bytes a second for 60 s"


def test_a_timeout_is_checked_ten_times() -> None:
    assert SlowReaderPolicy(stall_timeout=30, min_rate=1, window=60).check_interval == 3
    assert SlowReaderPolicy(stall_timeout=30, min_rate=1, window=10).check_interval == 1
