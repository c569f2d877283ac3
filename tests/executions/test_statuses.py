"""Which status may follow which."""

import pytest

from executions.statuses import (
    ALLOWED,
    ENDED,
    ExecutionStatus,
    IllegalTransition,
    allowed_after,
    allowed_before,
    check_transition,
)

S = ExecutionStatus
EVERY = [(old, new) for old in S for new in S]
# Old → new statuses. A second copy of the table on purpose.
LEGAL = {
    S.INCOMPLETE: {S.QUEUED, S.RUNNING, S.FAILED, S.TERMINATED},
    S.QUEUED: {S.RUNNING, S.FAILED, S.TERMINATED},
    S.RUNNING: {S.COMPLETED, S.FAILED, S.TERMINATED, S.REVIEW},
    S.REVIEW: {S.QUEUED, S.RUNNING, S.FAILED, S.TERMINATED},
    S.TERMINATED: {S.QUEUED, S.RUNNING},
    S.COMPLETED: set(),
    S.FAILED: set(),
}


@pytest.mark.parametrize(("old", "new"), EVERY)
def test_the_table_says_which_change_is_legal(old: S, new: S) -> None:
    if new in LEGAL[old] or new == old:
        check_transition(old, new)
    else:
        with pytest.raises(IllegalTransition):
            check_transition(old, new)


@pytest.mark.parametrize(("old", "new"), EVERY)
def test_the_statuses_after_and_before_agree_with_the_table(old: S, new: S) -> None:
    assert (new in allowed_after(old)) == (new in ALLOWED[old])
    assert (old in allowed_before(new)) == (new in allowed_after(old) or new == old)


def test_completed_and_failed_are_final_and_terminated_is_not() -> None:
    assert {status for status in S if not allowed_after(status)} == {S.COMPLETED, S.FAILED}
    assert {S.COMPLETED, S.FAILED, S.TERMINATED} == ENDED


def test_the_error_of_an_illegal_change_names_old_new_and_allowed_statuses() -> None:
    with pytest.raises(IllegalTransition) as caught:
        check_transition("QUEUED", "COMPLETED")
    error = caught.value
    assert (error.old, error.new) == (S.QUEUED, S.COMPLETED)
    assert error.allowed == (S.RUNNING, S.TERMINATED, S.FAILED)
    assert str(error) == "COMPLETED may not follow QUEUED. What may follow QUEUED: RUNNING, TERMINATED, FAILED."


def test_the_error_of_a_change_of_a_final_status_says_that_it_is_final() -> None:
    with pytest.raises(IllegalTransition, match="What may follow FAILED: nothing: it is final"):
        check_transition("FAILED", "RUNNING")


def test_an_unknown_status_is_an_error() -> None:
    with pytest.raises(ValueError, match="'DONE' is not a valid ExecutionStatus"):
        check_transition("DONE", "RUNNING")
