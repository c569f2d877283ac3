"""Many sessions at once, whatever the engine; and the sealed key of one."""

from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from realtime.auth.sessions import digest, read_sessions, seal, unseal

ENGINES = ("db", "cached_db", "cache", "file", "signed_cookies")


def new_session(name: str, **how: Any) -> str:
    store = import_module(f"{how.pop('engine')}").SessionStore()
    store["name"] = name
    for setting, value in how.items():
        getattr(store, setting)(value)
    store.save()
    return str(store.session_key)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, settings: Settings, db: None, tmp_path: Any) -> str:
    settings.SESSION_FILE_PATH = str(tmp_path)
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{request.param}"
    return str(settings.SESSION_ENGINE)


def test_the_sessions_that_exist_are_found(engine: str) -> None:
    keys = {name: new_session(name, engine=engine) for name in ("one", "two")}
    found = read_sessions([*keys.values(), "nonsense"])
    assert {key: session.data["name"] for key, session in found.items()} == {key: name for name, key in keys.items()}


@pytest.mark.parametrize("engine", ENGINES[:-1], indirect=True)  # the server keeps nothing of a signed cookie
def test_a_deleted_or_expired_session_is_not_found(engine: str) -> None:
    store = import_module(engine).SessionStore
    gone, expired = new_session("gone", engine=engine), new_session("old", engine=engine, set_expiry=timedelta(-1))
    store(gone).delete()
    assert read_sessions([gone, expired]) == {}


@pytest.mark.parametrize(("name", "queries"), [("db", 1), ("cached_db", 1), ("cache", 0)])
def test_many_cost_one_query(
    settings: Settings, db: None, django_assert_num_queries: Any, name: str, queries: int
) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{name}"
    keys = [new_session("any", engine=settings.SESSION_ENGINE) for _ in range(20)]
    with django_assert_num_queries(queries):
        assert len(read_sessions(keys)) == 20
    with django_assert_num_queries(0):
        assert read_sessions([]) == {}


def test_the_table_tells_when_a_session_expires(db: None) -> None:
    key = new_session("any", engine="django.contrib.sessions.backends.db", set_expiry=60)
    expires_at = read_sessions([key])[key].expires_at
    assert expires_at is not None
    assert 0 < expires_at - timezone.now().timestamp() <= 60


def test_a_sealed_key_is_opened_by_this_site_only(settings: Settings) -> None:
    settings.SECRET_KEY = "the secret of this site, which is long"
    sealed = seal("the key")
    assert "the key" not in sealed
    assert digest("the key") not in sealed
    assert unseal(sealed) == "the key"
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a new secret", [settings.SECRET_KEY]
    assert unseal(sealed) == "the key"
    settings.SECRET_KEY_FALLBACKS = []
    assert unseal(sealed) is None
    assert unseal("nonsense") is None
    assert unseal("é") is None
