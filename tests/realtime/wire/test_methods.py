"""Which methods there are, and for whom."""

from realtime.wire.methods import NUMBERED_ONLY


def test_the_events_of_part_2_are_those_that_the_base_protocol_does_not_know() -> None:
    assert set(NUMBERED_ONLY) == {
        "notification_read",
        "notification_deleted",
        "execution_deleted",
        "node_execution_deleted",
    }
