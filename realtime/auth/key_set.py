"""The public keys that an identity provider publishes (JSON Web Key Set, RFC 7517), by URL.

A key is looked up in memory. The set is read again, by a thread of its own, when it is older than JWKS_LIFETIME, and
when a token names a key that is not there: at most once in JWKS_INTERVAL, so made-up names cannot load the provider, or
every ten seconds after a failure. While the provider does not answer, the known keys stay valid for JWKS_STALE.
"""

import json
import logging
import os
import threading
import time
from concurrent.futures import Future
from typing import Any
from urllib.request import HTTPRedirectHandler, Request, build_opener

from jwt import PyJWK, PyJWTError

from realtime.conf import limits
from realtime.jwt_settings import is_safe_url

logger = logging.getLogger(__name__)

_RETRY = 10.0  # seconds after a failure: a short one must not refuse everybody for a minute


class _NoRedirects(HTTPRedirectHandler):
    """A redirect could lead to plain HTTP."""

    def redirect_request(self, *args: Any) -> None:
        return None


class KeySet:
    """The keys of one URL. Its methods may be called from any thread and never wait for the network."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._lock = threading.Lock()
        self._keys: dict[str | None, PyJWK] = {}
        self._fetched_at: float | None = None
        self._next_try = 0.0
        self._fetch: Future[None] | None = None

    def find(self, kid: str | None) -> PyJWK | None:
        """The key with this id; without an id the only key."""
        with self._lock:
            return self._find(kid, time.monotonic())

    def fetch_for(self, kid: str | None) -> "Future[None] | None":
        """The fetch that may bring this key, started if needed. None if there is nothing to wait for."""
        now = time.monotonic()
        with self._lock:
            is_known = self._find(kid, now) is not None
            is_fresh = self._fetched_at is not None and now - self._fetched_at < limits.JWKS_LIFETIME
            if is_known and is_fresh:
                return None
            if self._fetch is None and now >= self._next_try:
                self._next_try = now + limits.JWKS_INTERVAL
                self._fetch = Future()
                threading.Thread(target=self._run, args=[self._fetch], name="realtime-jwks", daemon=True).start()
            return None if is_known else self._fetch

    def _find(self, kid: str | None, now: float) -> PyJWK | None:
        if self._fetched_at is None or now - self._fetched_at > limits.JWKS_STALE:
            return None
        if kid is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(kid)

    def _run(self, fetch: "Future[None]") -> None:
        try:
            keys = read_keys(download(self.url))
        except Exception as error:  # the provider may answer with anything
            logger.warning("The keys of users' tokens could not be read from %s: %s", self.url, error)
            with self._lock:
                self._next_try = time.monotonic() + min(_RETRY, limits.JWKS_INTERVAL)
        else:
            with self._lock:
                self._keys, self._fetched_at = keys, time.monotonic()
        finally:
            with self._lock:
                self._fetch = None
            fetch.set_result(None)


def download(url: str) -> bytes:
    """The body of the answer. Raises OSError, and ValueError if it is unsafe, too long or too slow."""
    if not is_safe_url(url):
        raise ValueError("it is neither https nor on this machine")
    until, body = time.monotonic() + limits.JWKS_TIMEOUT, bytearray()
    request = Request(url, headers={"Accept": "application/json"})  # noqa: S310 - is_safe_url() has checked the scheme
    with build_opener(_NoRedirects).open(request, timeout=limits.JWKS_TIMEOUT) as answer:
        while piece := answer.read1(65_536):
            body += piece
            if len(body) > limits.MAX_JWKS_BYTES:
                raise ValueError(f"it is longer than {limits.MAX_JWKS_BYTES:,} bytes (MAX_JWKS_BYTES)")
            if time.monotonic() > until:
                raise ValueError(f"it took longer than {limits.JWKS_TIMEOUT} seconds (JWKS_TIMEOUT)")
    return bytes(body)


def read_keys(body: bytes) -> dict[str | None, PyJWK]:
    """The keys for signatures, by id. Others are skipped: keys for encryption, secrets, unknown kinds. Raises
    ValueError."""
    try:
        published = json.loads(body)["keys"]
    except (KeyError, TypeError, RecursionError):
        raise ValueError("it is no JSON Web Key Set") from None
    keys: dict[str | None, PyJWK] = {}
    for each in published if isinstance(published, list) else []:
        if not isinstance(each, dict) or each.get("kty") not in ("RSA", "EC", "OKP") or each.get("use", "sig") != "sig":
            continue
        kid = each.get("kid")
        if kid is not None and not isinstance(kid, str):
            continue
        try:
            key = PyJWK({name: value for name, value in each.items() if name not in ("d", "p", "q", "dp", "dq", "qi")})
        except (PyJWTError, ValueError, TypeError):
            continue
        if not key.algorithm_name.startswith("HS"):
            keys[kid] = key
    if not keys:
        raise ValueError("it has no key for signatures that this server can use")
    return keys


_key_sets: dict[str, KeySet] = {}


def key_set(url: str) -> KeySet:
    """The keys of this URL, shared by the process."""
    return _key_sets.setdefault(url, KeySet(url))


os.register_at_fork(after_in_child=_key_sets.clear)  # the thread of a fetch does not exist in the child
