"""Reads many sessions at once, and seals the key of a session for a token. Reads the database or the cache."""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.contrib.sessions.backends import cache, cached_db, db
from django.utils import timezone
from django.utils.encoding import force_bytes


class Session(NamedTuple):
    data: Mapping[str, Any]
    expires_at: float | None  # seconds since 1970; None where the engine does not tell


def read_sessions(keys: Iterable[str]) -> dict[str, Session]:
    """The sessions with these keys that exist and have not expired. One query for all, where the engine is one of
    Django's with a table or a cache. Another engine is asked for each session."""
    keys = list(keys)
    if not keys:
        return {}
    store: Any = import_module(settings.SESSION_ENGINE).SessionStore
    if store.load in (db.SessionStore.load, cached_db.SessionStore.load):
        model = store.get_model_class()
        rows = model._default_manager.filter(session_key__in=keys, expire_date__gt=timezone.now())
        return {row.session_key: Session(store().decode(row.session_data), row.expire_date.timestamp()) for row in rows}
    if store.load is cache.SessionStore.load:
        found = store()._cache.get_many([store.cache_key_prefix + key for key in keys])
        prefix = len(store.cache_key_prefix)
        return {name[prefix:]: Session(data, None) for name, data in found.items()}
    loaded = {key: store(key).load() for key in keys}
    return {key: Session(data, None) for key, data in loaded.items() if data}


def digest(session_key: str) -> str:
    """Names a session without giving its key away."""
    return hashlib.sha256(session_key.encode()).hexdigest()


def seal(session_key: str) -> str:
    """The key of a session, encrypted: a page that may not read its cookie can hold this."""
    return _fernet().encrypt(session_key.encode()).decode()


def unseal(sealed: str) -> str | None:
    """The key that was sealed, or None if this is not the work of `seal` with a SECRET_KEY that still counts."""
    try:
        return _fernet().decrypt(sealed.encode()).decode()
    except (InvalidToken, ValueError):
        return None


def _fernet() -> MultiFernet:
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    keys = (hashlib.sha256(b"realtime.auth.sessions:" + force_bytes(secret)).digest() for secret in secrets)
    return MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys])
