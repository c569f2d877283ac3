"""Good settings pass all checks."""

from pytest_django import Settings

from tests.realtime.checks.conftest import Router, found


def test_a_good_production_passes(production: Settings) -> None:
    assert found() == []


def test_the_embedded_default_passes(production: Settings) -> None:
    production.DEBUG = True
    production.DATABASE_ROUTERS = [Router("file")]
    production.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    production.REALTIME = {"ALLOWED_ORIGINS": []}
    production.SECURE_PROXY_SSL_HEADER = None
    assert found() == []


def test_a_project_without_settings_of_realtime_passes(production: Settings) -> None:
    del production.REALTIME, production.JWT_ALGORITHM, production.JWT_KEY
    production.SECURE_PROXY_SSL_HEADER = None
    assert found() == []
