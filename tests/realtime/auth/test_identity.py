"""Whether what a connection has shown still holds."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from pytest_django import Settings

from realtime.auth.identity import CredentialsRefused, Identity, Proof, _check, check_now, token_proof
from realtime.auth.jwt import SOCKET_SCOPE, issue_token, read_claims
from realtime.auth.sessions import seal
from realtime.wire.close_codes import CloseCode

pytestmark = pytest.mark.django_db


def session_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    return str(client.session.session_key)


def code(proof: Proof) -> CloseCode | None:
    found = check_now(proof)
    if isinstance(found, Identity):
        assert found.user.pk == proof.user_id
        return None
    return found.code


def test_a_session_holds_as_long_as_it_is_there_and_its_users(user: User, other_user: User) -> None:
    proof = Proof(user.pk, session_of(user))
    assert code(proof) is None
    assert code(proof._replace(user_id=other_user.pk)) == CloseCode.NO_CREDENTIALS
    assert code(proof._replace(session_key="nonsense")) == CloseCode.NO_CREDENTIALS
    Session.objects.all().delete()
    assert code(proof) == CloseCode.NO_CREDENTIALS


def test_a_new_secret_with_a_fallback_ends_no_session(user: User, settings: Settings) -> None:
    proof = Proof(user.pk, session_of(user))
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a new secret key", [settings.SECRET_KEY]
    settings.SESSION_SERIALIZER = "django.contrib.sessions.serializers.JSONSerializer"
    assert code(proof) is None


def test_a_session_of_a_backend_that_was_removed_is_over(user: User, settings: Settings) -> None:
    proof = Proof(user.pk, session_of(user))
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend"]
    assert code(proof) == CloseCode.NO_CREDENTIALS


def test_a_backend_with_its_own_get_user_is_asked(user: User, settings: Settings) -> None:
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.NobodyBackend"]
    client = Client()
    client.force_login(user)
    assert code(Proof(user.pk, str(client.session.session_key))) == CloseCode.NO_CREDENTIALS


class NobodyBackend:
    def get_user(self, user_id: Any) -> None:
        return None

    def authenticate(self, request: Any) -> None:
        return None


def test_a_token_holds_until_it_expires(user: User) -> None:
    assert code(Proof(user.pk, None, True, time.time() + 60)) is None
    assert code(Proof(user.pk, None, True, time.time() - 1)) == CloseCode.BAD_TOKEN
    assert code(Proof(user.pk, None, True)) is None


def test_the_end_of_a_proof_is_that_of_the_token_or_of_the_session(user: User) -> None:
    soon = time.time() + 60
    found = check_now(Proof(user.pk, session_of(user), True, soon))
    assert isinstance(found, Identity)
    assert found.expires_at == soon


def test_a_token_for_sockets_dies_with_its_session(user: User) -> None:
    token = issue_token(user.pk, timedelta(hours=1), scope=SOCKET_SCOPE, session=seal(session_of(user)))
    proof = token_proof(user, read_claims(token, SOCKET_SCOPE))
    assert code(proof) is None
    user.set_password("another")
    user.save()
    assert code(proof) == CloseCode.BAD_TOKEN
    with pytest.raises(CredentialsRefused):
        token_proof(user, {"session": "forged"})


def test_many_proofs_cost_two_queries_and_share_the_user(user: User, django_assert_num_queries: Any) -> None:
    proofs = [Proof(user.pk, session_of(user)) for _ in range(20)] + [Proof(user.pk, None, True, time.time() + 60)]
    with django_assert_num_queries(2):
        found = _check(proofs)
    users = {id(each.user) for each in found.values() if isinstance(each, Identity)}
    assert (len(found), len(users)) == (21, 1)
