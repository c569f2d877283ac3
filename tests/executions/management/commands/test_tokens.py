"""`manage.py tokens`."""

from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from executions.api.worker_tokens import find_token
from executions.models import Graph, WorkerToken

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    out = StringIO()
    call_command("tokens", *words, stdout=out, stderr=StringIO())
    return out.getvalue().strip()


def test_a_token_is_created_listed_and_revoked() -> None:
    secret = run("create", "press", "--all", "--days", "30")
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
        (("create", "", "--all"), "needs a name"),
        (("create", "a", "--all", "--days", "0"), "--days"),
        (("create", "taken", "--all"), "already"),
        (("create", "a"), "Say --user NAME, --graph ID, or --all"),
        (("create", "a", "--all", "--user", "ada"), "--all goes neither"),
        (("create", "a", "--user", "nobody"), "There is no user nobody"),
        (("create", "a", "--graph", "7"), "There is no graph 7"),
    ],
)
def test_an_impossible_action_is_refused(words: tuple[str, ...], message: str) -> None:
    run("create", "taken", "--all")
    with pytest.raises(CommandError, match=message):
        run(*words)


def test_the_scope_is_chosen_and_listed(user: User, other_user: User, graph: Graph) -> None:
    run("create", "both", "--user", user.username, "--user", other_user.username, "--graph", str(graph.pk))
    run("create", "people", "--user", user.username)
    run("create", "graphs", "--graph", str(graph.pk))
    listed = run("list")
    names = ", ".join(sorted([user.username, other_user.username]))
    assert f"users: {names}; graphs: {graph.name} ({graph.pk})" in listed
    assert f"users: {user.username}; their own graphs" in listed
    assert f"all users; graphs: {graph.name} ({graph.pk})" in listed


def test_on_a_terminal_it_asks_for_the_scope(monkeypatch: pytest.MonkeyPatch, user: User, graph: Graph) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    answers = iter([user.username, f"{graph.pk}", "", ""])
    monkeypatch.setattr("builtins.input", lambda question: next(answers))
    run("create", "narrow")
    run("create", "wide")
    scopes = {token.name: token.scope for token in WorkerToken.objects.all()}
    assert scopes == {"narrow": f"users: {user.username}; graphs: {graph.name} ({graph.pk})", "wide": "all"}
