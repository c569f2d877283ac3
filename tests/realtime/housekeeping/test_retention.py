"""Old events are removed by the kind of their stream; streams that still run stay whole."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from realtime.housekeeping import retention
from realtime.housekeeping.retention import keep_whole, prune_old_events
from realtime.models import Stream, StreamEvent
from realtime.publish import publish

pytestmark = pytest.mark.django_db(transaction=True)

KEYS = ("u1|graph_exec#e1", "u1|graph#g1|executions", "u1|notifications", "u1|orders#7")


@pytest.fixture(autouse=True)
def old_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four streams of each kind: two events that are 40 days old, then two that are 20 days old."""
    monkeypatch.setattr(retention, "_is_running", {})
    for key in KEYS:
        for days in (40, 40, 20, 20):
            publish(key, "changed", "entity", {})
            newest = StreamEvent.objects.order_by("-id").first()
            StreamEvent.objects.filter(pk=newest and newest.pk).update(created_at=timezone.now() - timedelta(days=days))


def prune(*, is_dry_run: bool = False) -> dict[str, int]:
    total: Counter[str] = Counter()
    for counts in prune_old_events(is_dry_run):
        total.update(counts)
    return dict(+total)


def test_the_default_is_thirty_days_and_leaves_kinds_of_other_apps(settings: Settings) -> None:
    settings.REALTIME = {}
    assert prune(is_dry_run=True) == {"graph_exec": 2, "graph": 2, "notifications": 2}
    assert StreamEvent.objects.count() == 16
    assert prune() == {"graph_exec": 2, "graph": 2, "notifications": 2}
    assert dict(Stream.objects.values_list("key", "floor")) == dict(zip(KEYS, (2, 2, 2, 0), strict=True))
    assert prune() == {}


@pytest.mark.parametrize("page", [1, 3, 500])
def test_each_kind_has_its_own_age(settings: Settings, monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    monkeypatch.setattr(retention, "_PAGE", page)
    settings.REALTIME = {"RETENTION": {"graph_exec": timedelta(days=10), "graph": None, "orders": "240h"}}
    assert prune() == {"graph_exec": 3, "notifications": 2, "orders": 3}


def test_a_stream_that_runs_keeps_all_its_events_however_old(settings: Settings) -> None:
    settings.REALTIME = {"RETENTION": {"graph_exec": "1s"}}
    running = {"e1"}
    keep_whole("graph_exec", lambda id: id in running)
    assert "graph_exec" not in prune()
    running.clear()
    assert prune() == {"graph_exec": 3}


def test_one_that_runs_again_meanwhile_is_left_after_the_batch(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.log.retention._BATCH_SIZE", 1)
    settings.REALTIME = {"RETENTION": {"graph_exec": "1s", "graph": None, "notifications": None}}
    answers = iter([False, True])
    keep_whole("graph_exec", lambda id: next(answers))
    assert prune() == {"graph_exec": 1}


def test_where_all_kinds_are_kept_nothing_is_read(settings: Settings, django_assert_num_queries: Any) -> None:
    settings.REALTIME = {"RETENTION": dict.fromkeys(("graph_exec", "graph", "shared", "notifications"))}
    with django_assert_num_queries(0):
        assert prune() == {}


def test_a_wrong_age_removes_nothing(settings: Settings) -> None:
    settings.REALTIME = {"RETENTION": {"graph": "1s", "orders": "a while"}}
    with pytest.raises(ValueError, match="'a while' is no age"):
        prune()
    assert StreamEvent.objects.count() == 16
