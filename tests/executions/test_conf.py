"""The limits: defaults in the code, overridden by name in the settings."""

import pytest
from pytest_django import Settings

from executions.conf import DEFAULTS, limits


def test_a_limit_has_a_default_without_the_setting(settings: Settings) -> None:
    if hasattr(settings, "EXECUTIONS"):
        del settings.EXECUTIONS
    assert limits.LEASE == DEFAULTS.LEASE


def test_the_settings_override_a_limit_by_its_name_when_it_is_used(settings: Settings) -> None:
    settings.EXECUTIONS = {"LEASE": 7}
    assert (limits.LEASE, limits.RUNS) == (7, DEFAULTS.RUNS)
    settings.EXECUTIONS = {"LEASE": 8}
    assert limits.LEASE == 8


def test_an_unknown_limit_is_an_error(settings: Settings) -> None:
    settings.EXECUTIONS = {"LEESE": 7}
    with pytest.raises(AttributeError):
        _ = limits.LEESE


def test_a_lease_survives_two_heartbeats_that_fail() -> None:
    assert DEFAULTS.LEASE >= 3 * DEFAULTS.HEARTBEAT


def test_two_blocks_can_run_concurrently_on_any_machine() -> None:
    assert DEFAULTS.BLOCK_PROCESSES >= 2
