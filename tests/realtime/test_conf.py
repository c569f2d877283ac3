"""The limits: defaults in the code, overridden by name in the settings."""

from dataclasses import fields

import pytest
from pytest_django import Settings

from realtime.conf import DEFAULTS, Limits, limits, names


def test_a_limit_has_a_default(settings: Settings) -> None:
    settings.REALTIME = {}
    assert limits.SWEEP_INTERVAL == DEFAULTS.SWEEP_INTERVAL


def test_the_settings_override_a_limit_by_its_name(settings: Settings) -> None:
    settings.REALTIME = {"SWEEP_INTERVAL": 7}
    assert limits.SWEEP_INTERVAL == 7
    assert limits.PAGE_EVENTS == DEFAULTS.PAGE_EVENTS


def test_a_limit_is_read_when_it_is_used(settings: Settings) -> None:
    settings.REALTIME = {"PAGE_EVENTS": 1}
    before = limits.PAGE_EVENTS
    settings.REALTIME = {"PAGE_EVENTS": 2}
    assert (before, limits.PAGE_EVENTS) == (1, 2)


def test_without_the_setting_the_defaults_apply(settings: Settings) -> None:
    del settings.REALTIME
    assert limits.PAGE_EVENTS == DEFAULTS.PAGE_EVENTS


def test_an_unknown_limit_is_an_error(settings: Settings) -> None:
    settings.REALTIME = {"SWEEP_INTERVALL": 7}
    with pytest.raises(AttributeError):
        _ = limits.SWEEP_INTERVALL


def test_the_names_are_those_of_the_defaults() -> None:
    assert names == {field.name for field in fields(Limits)}


def test_the_defaults_fit_together() -> None:
    assert DEFAULTS.MAX_INLINE_BYTES <= DEFAULTS.MAX_ANNOUNCED_BYTES <= DEFAULTS.ANNOUNCER_BYTES
    assert DEFAULTS.MAX_EVENT_BYTES <= DEFAULTS.PAGE_CACHE_BYTES
    assert DEFAULTS.PAGE_BYTES <= DEFAULTS.BUFFER_BYTES
    assert DEFAULTS.SNAPSHOT_LIMIT <= DEFAULTS.MAX_SNAPSHOT_LIMIT
    assert DEFAULTS.SWEEP_GRACE < DEFAULTS.SWEEP_INTERVAL
