"""The budget of bytes of one run."""

import pytest

from executions.runner.byte_budget import BudgetExceeded, ByteBudget


def test_a_charge_beyond_the_budget_is_refused_and_charges_nothing() -> None:
    budget = ByteBudget(1_000)
    budget.charge("x" * 98, copies=4)
    with pytest.raises(BudgetExceeded):
        budget.charge("x" * 301, copies=2)
    budget.charge("x" * 298, copies=2)
    with pytest.raises(BudgetExceeded):
        budget.check(1)


def test_the_error_names_the_limit_and_the_cure() -> None:
    with pytest.raises(BudgetExceeded) as refused:
        ByteBudget(32 * 2**20).check(2**30)
    assert str(refused.value) == (
        'The run would write more than 32 MB, the limit of one run (EXECUTIONS["MAX_RUN_BYTES"]). '
        "Let fewer nodes take the same long value, or send a shorter one."
    )
