"""`manage.py new_epochs`."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from realtime.models import Stream
from realtime.publish import publish

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def epoch() -> str:
    publish("u1|orders#7", "changed", "a", {})
    return Stream.objects.get().epoch


def run(*words: str) -> str:
    out = StringIO()
    call_command("new_epochs", *words, stdout=out, stderr=out)
    return out.getvalue()


@pytest.mark.parametrize("word", ["--yes", "--no-input"])
def test_with_yes_it_does_not_ask(word: str, epoch: str) -> None:
    assert run(word) == "1 streams have a new epoch.\n"
    assert Stream.objects.get().epoch != epoch


def test_only_the_given_stream_is_renewed(epoch: str) -> None:
    publish("u1|orders#8", "changed", "a", {})
    before = Stream.objects.get(key="u1|orders#8").epoch
    assert run("--yes", "u1|orders#8") == "1 streams have a new epoch.\n"
    assert Stream.objects.get(key="u1|orders#7").epoch == epoch
    assert Stream.objects.get(key="u1|orders#8").epoch != before


def test_an_unknown_stream_is_an_error(epoch: str) -> None:
    with pytest.raises(CommandError, match=r"There is no stream u9\|notifications."):
        run("--yes", "u1|orders#7", "u9|notifications")
    assert Stream.objects.get().epoch == epoch


def test_it_explains_itself_and_asks(monkeypatch: pytest.MonkeyPatch, epoch: str) -> None:
    monkeypatch.setattr("builtins.input", lambda prompt: "yes")
    output = run()
    assert "right after a backup was restored" in output
    assert output.endswith("There are 1 streams.\n1 streams have a new epoch.\n")
    assert Stream.objects.get().epoch != epoch


@pytest.mark.parametrize("answer", ["", "no", "y", EOFError, KeyboardInterrupt])
def test_without_a_yes_nothing_changes(
    monkeypatch: pytest.MonkeyPatch, epoch: str, answer: str | type[BaseException]
) -> None:
    def reply(prompt: str) -> str:
        if isinstance(answer, str):
            return answer
        raise answer

    monkeypatch.setattr("builtins.input", reply)
    with pytest.raises(CommandError, match="Nothing was changed"):
        run()
    assert Stream.objects.get().epoch == epoch
