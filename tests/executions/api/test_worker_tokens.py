"""Workers' tokens."""

from datetime import timedelta

import pytest
from django.utils import timezone

from executions.api.worker_tokens import NameInUse, create_token, find_token, revoke_token
from executions.models import WorkerToken
from realtime.auth.jwt import BadToken, read_token

pytestmark = pytest.mark.django_db


def test_a_token_is_found_by_what_was_shown_once_and_not_kept() -> None:
    token, secret = create_token("press")
    assert find_token(secret) == token
    assert secret not in str(WorkerToken.objects.values().get())
    assert find_token(secret + "x") is None
    assert find_token(token.digest) is None


def test_a_token_that_has_expired_or_was_revoked_is_not_found() -> None:
    _, old = create_token("old", timezone.now() - timedelta(seconds=1))
    _, secret = create_token("press", timezone.now() + timedelta(hours=1))
    assert find_token(old) is None
    assert find_token(secret)
    assert revoke_token("press")
    assert find_token(secret) is None
    assert not revoke_token("press")


def test_its_use_is_noted_and_not_at_each_report() -> None:
    _, secret = create_token("press")
    find_token(secret)
    noted = WorkerToken.objects.get().last_used_at
    assert noted
    find_token(secret)
    assert WorkerToken.objects.get().last_used_at == noted


def test_a_name_is_one_tokens_until_it_is_revoked() -> None:
    create_token("press")
    with pytest.raises(NameInUse):
        create_token("press")
    revoke_token("press")
    create_token("press")


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\x00"])
def test_a_name_that_cannot_be_kept_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"name"):
        create_token(name)


def test_it_opens_no_socket() -> None:
    with pytest.raises(BadToken):
        read_token(create_token("press")[1])
