"""Notices that came while credentials were read."""

from realtime.revocation.recent_notices import REMEMBERED, RecentNotices


def test_a_notice_concerns_its_user_since_the_moment_before_it() -> None:
    recent = RecentNotices()
    before = recent.count
    recent.add("7")
    assert recent.concern("7", before)
    assert not recent.concern("8", before)
    assert not recent.concern("7", recent.count)


def test_a_moment_that_is_forgotten_concerns_everybody() -> None:
    recent = RecentNotices()
    for number in range(5 * REMEMBERED):
        recent.add(str(number))
        assert recent.count == number + 1
    assert recent.concern("nobody", 0)
    assert not recent.concern("nobody", recent.count - 1)
    assert recent.concern(str(5 * REMEMBERED - 1), recent.count - 1)
