"""`manage.py tokens`."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from executions.api.worker_tokens import find_token

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    out = StringIO()
    call_command("tokens", *words, stdout=out, stderr=StringIO())
    return out.getvalue().strip()


def test_a_token_is_created_listed_and_revoked() -> None:
    secret = run("create", "press", "--days", "30")
    assert find_token(secret)
    listed = run("list")
    assert [line.split()[0] for line in listed.splitlines()] == ["name", "press"]
    assert secret not in listed
    run("revoke", "press")
    assert find_token(secret) is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("revoke", "nobody"), "There is no token"),
        (("create", ""), "needs a name"),
        (("create", "a", "--days", "0"), "--days"),
        (("create", "taken"), "already"),
    ],
)
def test_an_impossible_action_is_refused(words: tuple[str, ...], message: str) -> None:
    run("create", "taken")
    with pytest.raises(CommandError, match=message):
        run(*words)
