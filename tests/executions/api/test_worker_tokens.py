"""Create, find and revoke the tokens of workers."""

from datetime import timedelta

import pytest
from django.utils import timezone

from executions.api.worker_tokens import NameInUse, create_token, find_token, revoke_token
from executions.models import WorkerToken
from realtime.auth.jwt import BadToken, read_token

pytestmark = pytest.mark.django_db


def test_a_token_is_found_but_not_stored() -> None:
    token, secret = create_token("press")
    assert find_token(secret) == token
    assert secret not in str(WorkerToken.objects.values().get())
    assert find_token(secret + "x") is None
    assert find_token(token.digest) is None


def test_an_expired_or_revoked_token_is_not_found() -> None:
    _, old = create_token("old", timezone.now() - timedelta(seconds=1))
    _, secret = create_token("press", timezone.now() + timedelta(hours=1))
    assert find_token(old) is None
    assert find_token(secret)
    assert revoke_token("press")
    assert find_token(secret) is None
    assert not revoke_token("press")


def test_the_last_use_is_recorded_at_most_once_a_minute() -> None:
    _, secret = create_token("press")
    find_token(secret)
    last_used_at = WorkerToken.objects.get().last_used_at
    assert last_used_at
    find_token(secret)
    assert WorkerToken.objects.get().last_used_at == last_used_at


def test_a_name_can_be_reused_after_revocation() -> None:
    create_token("press")
    with pytest.raises(NameInUse):
        create_token("press")
    revoke_token("press")
    create_token("press")


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\x00"])
def test_an_invalid_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"name"):
        create_token(name)


def test_a_worker_token_opens_no_socket() -> None:
    with pytest.raises(BadToken):
        read_token(create_token("press")[1])
