"""`manage.py prune_events`."""

import signal
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from realtime.log import retention
from realtime.management.commands import prune_events
from realtime.models import StreamEvent
from realtime.publish import publish

pytestmark = pytest.mark.django_db(transaction=True)


def run(*words: str) -> str:
    out = StringIO()
    call_command("prune_events", *words, stdout=out, stderr=out)
    return out.getvalue()


@pytest.fixture
def old_events() -> None:
    for number in range(3):
        for _ in range(4):
            publish(f"u1|orders#{number}", "order_changed", "order", {})
    old = StreamEvent.objects.exclude(stream__key="u1|orders#2")
    old.update(created_at=timezone.now() - timedelta(days=8))


@pytest.mark.usefixtures("old_events")
def test_it_removes_older_events_and_reports_their_number() -> None:
    assert run("--older-than", "7d") == "2 streams had old events; 6 events removed.\n"
    assert StreamEvent.objects.count() == 6
    assert run("--older-than", "7d") == "0 streams had old events; 0 events removed.\n"


@pytest.mark.usefixtures("old_events")
def test_a_dry_run_changes_nothing() -> None:
    assert run("--older-than", "7d", "--dry-run") == "2 streams had old events; 6 events would go.\n"
    assert StreamEvent.objects.count() == 12


@pytest.mark.usefixtures("old_events")
def test_younger_events_stay() -> None:
    assert run("--older-than", "9d") == "0 streams had old events; 0 events removed.\n"
    assert StreamEvent.objects.count() == 12


@pytest.mark.usefixtures("old_events")
def test_more_streams_than_one_page_are_all_pruned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prune_events, "_PAGE", 1)
    assert run("--older-than", "7d") == "2 streams had old events; 6 events removed.\n"


@pytest.mark.usefixtures("old_events")
def test_ctrl_c_keeps_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_BATCH_SIZE", 2)
    prune_batch, batches = retention._prune_batch, []

    def press_ctrl_c_in_the_fourth(*arguments: Any) -> Any:
        batches.append(arguments)
        if len(batches) == 4:
            signal.raise_signal(signal.SIGINT)
        return prune_batch(*arguments)

    monkeypatch.setattr(retention, "_prune_batch", press_ctrl_c_in_the_fourth)
    out = StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("prune_events", "--older-than", "7d", stdout=out, stderr=out)
    assert end.value.code == 130
    assert out.getvalue() == "Stopped. 1 of 2 streams are done; 3 events removed.\n"
    assert StreamEvent.objects.count() == 9


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("7d", timedelta(days=7)),
        ("12h", timedelta(hours=12)),
        ("30m", timedelta(minutes=30)),
        ("90s", timedelta(seconds=90)),
    ],
)
def test_valid_ages_are_parsed(text: str, age: timedelta) -> None:
    assert prune_events.parse_age(text) == age


@pytest.mark.parametrize(
    "text", ["", "7", "d", "7 d", "7w", "-7d", "0d", "1.5d", "999999999d", "9999999d", "٧d", "7d\n"]
)
def test_an_invalid_age_is_refused_with_examples(text: str) -> None:
    with pytest.raises(
        CommandError, match=r"is no age\. Write a whole number, above 0, and a unit: 7d, 12h, 30m or 90s"
    ):
        run(f"--older-than={text}")


def test_without_an_age_nothing_is_removed() -> None:
    with pytest.raises(CommandError, match="--older-than"):
        run()
