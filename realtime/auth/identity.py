"""Who a connection belongs to, by what proof, and whether the proof still holds. Reads the database.

A proof is checked at the handshake, at each subscribe, after each notice that the access of its user has changed, and
every RECHECK_INTERVAL. The checks of many connections cost a few queries together.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model, load_backend
from django.contrib.auth.backends import ModelBackend
from django.utils.crypto import constant_time_compare

from realtime.aio.batch import Batch
from realtime.auth.guests import Guest, GuestProof, check_guests
from realtime.auth.sessions import Session, digest, read_sessions, unseal
from realtime.db import in_thread
from realtime.wire.close_codes import CloseCode

BATCH_SIZE = 500  # proofs of one check; SQLite takes about a thousand parameters


class CredentialsRefused(Exception):  # noqa: N818
    """The credentials are bad. `code` is the close code for a client that asks for the reason."""

    def __init__(self, code: CloseCode, text: str) -> None:
        self.code, self.text = code, text
        super().__init__(text)


def bad_token() -> CredentialsRefused:
    return CredentialsRefused(CloseCode.BAD_TOKEN, "Invalid or expired token")


class Proof(NamedTuple):
    """What the connection of a user has shown. Connections with equal proofs share a check."""

    user_id: Any  # the primary key
    session_key: str | None = None  # of the session that must live as long as the connection
    is_token: bool = False
    expires_at: float | None = None  # of the token, in seconds since 1970

    @property
    def refusal(self) -> CredentialsRefused:
        """What the connection is told when the proof holds no more."""
        if self.is_token:
            return bad_token()
        return CredentialsRefused(CloseCode.NO_CREDENTIALS, "Authentication required")


def token_proof(user: Any, claims: dict[str, Any]) -> Proof:
    """The proof that a token with these claims is. A token that was got with a session needs the session. Raises
    CredentialsRefused."""
    session_key = None
    if "session" in claims:
        session_key = unseal(str(claims["session"]))
        if session_key is None:
            raise bad_token()
    return Proof(user.pk, session_key, is_token=True, expires_at=claims.get("exp"))


class Identity(NamedTuple):
    """A user, or a guest, as the database has it now. Equal proofs of one check share the user object."""

    user: Any
    expires_at: float | None = None  # when the proof ends by itself, in seconds since 1970; None if it is not known


AnyProof = Proof | GuestProof


def moved_proof(proof: AnyProof | None, old: str, sealed: str) -> AnyProof | None:
    """The proof, with the sealed key if it is of the session whose key had this digest."""
    if isinstance(proof, Proof) and proof.session_key and digest(proof.session_key) == old and (new := unseal(sealed)):
        return proof._replace(session_key=new)
    return proof


async def check(proof: AnyProof) -> Identity | CredentialsRefused:
    """Checks a proof in a thread. Callers at the same time share the queries. Raises what the database raises."""
    return await _batch.read(proof)


async def check_all(proofs: Iterable[AnyProof]) -> dict[AnyProof, Identity | CredentialsRefused]:
    """Checks many proofs. Raises what the database raises."""
    found: dict[AnyProof, Identity | CredentialsRefused] = {}
    distinct = list(set(proofs))
    for start in range(0, len(distinct), BATCH_SIZE):
        found |= await in_thread(_check, distinct[start : start + BATCH_SIZE])
    return found


def check_now(proof: AnyProof) -> Identity | CredentialsRefused:
    """Checks a proof in this thread."""
    return _check([proof])[proof]


def _check(proofs: Sequence[AnyProof]) -> dict[AnyProof, Identity | CredentialsRefused]:
    found: dict[AnyProof, Identity | CredentialsRefused] = {}
    if of_users := [proof for proof in proofs if isinstance(proof, Proof)]:
        found |= _check_users(of_users)
    for guest, link in check_guests([proof for proof in proofs if isinstance(proof, GuestProof)]).items():
        found[guest] = Identity(Guest(link.stream), link.expires_at) if link else bad_token()
    return found


def _check_users(proofs: Sequence[Proof]) -> dict[AnyProof, Identity | CredentialsRefused]:
    users = get_user_model()._default_manager.in_bulk({proof.user_id for proof in proofs})
    sessions = read_sessions({proof.session_key for proof in proofs if proof.session_key is not None})
    return {proof: _identity(proof, users, sessions) or proof.refusal for proof in proofs}


def _identity(proof: Proof, users: Mapping[Any, Any], sessions: Mapping[str, Session]) -> Identity | None:
    user = users.get(proof.user_id)
    if user is None or not user.is_active or (proof.expires_at is not None and proof.expires_at <= time.time()):
        return None
    ends = [] if proof.expires_at is None else [proof.expires_at]
    if proof.session_key is not None:
        session = sessions.get(proof.session_key)
        if session is None or not _is_of(user, session.data):
            return None
        ends += [] if session.expires_at is None else [session.expires_at]
    return Identity(user, min(ends, default=None))


def _is_of(user: Any, session: Mapping[str, Any]) -> bool:
    """Whether this session logs this user in. `django.contrib.auth.get_user` has the same rules for one session."""
    backend_path = session.get(BACKEND_SESSION_KEY)
    if session.get(SESSION_KEY) != user._meta.pk.value_to_string(user):
        return False
    if backend_path not in settings.AUTHENTICATION_BACKENDS:
        return False
    backend: Any = load_backend(backend_path)
    if type(backend).get_user is ModelBackend.get_user:
        if not backend.user_can_authenticate(user):
            return False
    elif backend.get_user(user.pk) is None:
        return False
    if not hasattr(user, "get_session_auth_hash"):
        return True
    session_hash = session.get(HASH_SESSION_KEY) or ""
    hashes = (user.get_session_auth_hash(), *user.get_session_auth_fallback_hash())
    return any(constant_time_compare(session_hash, each) for each in hashes)


async def _check_in_thread(proofs: Sequence[AnyProof]) -> dict[AnyProof, Identity | CredentialsRefused]:
    return await in_thread(_check, proofs)


_batch: Batch[AnyProof, Identity | CredentialsRefused] = Batch(_check_in_thread, limit=BATCH_SIZE)
