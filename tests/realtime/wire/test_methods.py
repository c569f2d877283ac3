"""The sets of methods."""

import pytest

from realtime.wire.methods import NUMBERED_ONLY

pytestmark = pytest.mark.once


def test_the_events_of_part_2_need_a_client_with_numbers() -> None:
    assert set(NUMBERED_ONLY) == {
        "notification_read",
        "notification_deleted",
        "execution_deleted",
        "node_execution_deleted",
    }
