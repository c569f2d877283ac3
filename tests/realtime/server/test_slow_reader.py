"""With a clock that is a number."""

from realtime.server.slow_reader import Progress, SlowReaderPolicy

PACE = SlowReaderPolicy(stall=30, slowest=1_024, window=60)


def verdicts(rate: float, *, seconds: int, step: int, pace: SlowReaderPolicy = PACE) -> list[str]:
    """What is said of a client that takes `rate` bytes a second, in pieces of `step` bytes, looked at each second."""
    progress = Progress(pace, 0, 0)
    found = (progress.verdict(now, int(now * rate) // step * step) for now in range(1, seconds))
    return [verdict for verdict in found if verdict]


def test_who_takes_nothing_is_given_up_after_the_deadline() -> None:
    progress = Progress(PACE, 100, 5_000)
    assert progress.verdict(129.9, 5_000) is None
    assert progress.verdict(130, 5_000) == "has not read for 30 s"


def test_a_byte_now_and_then_is_not_reading() -> None:
    assert verdicts(0.1, seconds=62, step=1) == ["has read less than 1024 bytes a second for 60 s"] * 2


def test_who_reads_50_kilobytes_a_second_stays_however_coarse_the_steps_are() -> None:
    assert verdicts(50_000, seconds=3_600, step=1_000_000) == []


def test_who_reads_two_kilobytes_a_second_stays() -> None:
    assert verdicts(2_048, seconds=3_600, step=32_768) == []


def test_who_stops_later_is_given_up_later() -> None:
    progress = Progress(PACE, 0, 0)
    assert [progress.verdict(now, now * 9_000) for now in range(1, 1_000)] == [None] * 999
    assert progress.verdict(1_029, 999 * 9_000) == "has not read for 30 s"


def test_who_slows_down_is_judged_by_its_last_window() -> None:
    progress = Progress(PACE, 0, 0)
    assert progress.verdict(60, 10_000_000) is None
    assert progress.verdict(90, 10_010_000) is None
    assert progress.verdict(120, 10_020_000) == "has read less than 1024 bytes a second for 60 s"


def test_it_is_looked_at_often_enough_for_the_deadline_to_mean_something() -> None:
    assert SlowReaderPolicy(stall=30, slowest=1, window=60).interval == 3
    assert SlowReaderPolicy(stall=30, slowest=1, window=10).interval == 1
