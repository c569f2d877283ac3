"""What is recorded for the guests of an execution, and what it costs where there are none."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from executions.models import Graph, GraphExecution
from executions.services import (
    ExecutionReport,
    NodeReport,
    finish_execution,
    report_all,
    report_execution,
    report_node,
    share_execution,
    start_execution,
)
from realtime import streams
from realtime.auth.guests import Link
from realtime.bridge import log_budget
from realtime.bridge.log_budget import LOG_BYTES
from realtime.bridge.sharing import find_links
from realtime.models import Stream, StreamEvent
from realtime.publishing import announcer
from realtime.publishing.after_commit import numbered_head
from tests.executions.admin_pages import change_url, errors_of, form_of

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "a-token_of-twenty-two-"
SECRETS = {"api_key": ["k3y"], "report": ["Done."], "rows": [{"user_token": "s3cret", "n": 1}]}


def told(execution: GraphExecution) -> list[Any]:
    """The events for guests, oldest first."""
    events = StreamEvent.objects.filter(stream__key=streams.shared(str(execution.pk))).order_by("seq")
    return [(event.method, event.entity, json.loads(event.data or "")) for event in events]


def statuses(execution: GraphExecution) -> list[str]:
    return [data["status"] for _, _, data in told(execution)]


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Who was named in the notices."""
    names: list[str] = []
    monkeypatch.setattr(announcer, "announce_access", lambda type, **fields: names.extend(fields["users"]))
    return names


# Events


def test_guests_get_six_fields_with_masked_outputs(execution: GraphExecution) -> None:
    share_execution(execution)
    report_execution(execution, status="RUNNING", stats={"error": "not for guests"})
    report_node(execution, node_id="n", status="RUNNING", input_data={"text": "not for guests"})
    done = finish_execution(execution, status="COMPLETED", outputs=SECRETS)
    assert {(method, entity) for method, entity, _ in told(execution)} == {("shared_execution_event", "execution")}
    assert statuses(execution) == ["QUEUED", "RUNNING", "COMPLETED"]
    assert told(execution)[-1][2] == {
        "id": str(execution.pk),
        "graph_name": execution.graph.name,
        "status": "COMPLETED",
        "started_at": done.started_at.isoformat().replace("+00:00", "Z"),
        "ended_at": done.ended_at.isoformat().replace("+00:00", "Z"),
        "outputs": {"api_key": ["•••"], "report": ["Done."], "rows": [{"user_token": "•••", "n": 1}]},
    }


WAYS = {
    "a start": lambda graph, user: start_execution(graph, user=user, is_shared=True),
    "create": lambda graph, user: GraphExecution.objects.create(
        graph=graph, user=user, is_shared=True, share_token=TOKEN
    ),
    "bulk_create": lambda graph, user: GraphExecution.objects.bulk_create(
        [GraphExecution(graph=graph, user=user, is_shared=True, share_token=TOKEN)]
    )[0],
}


@pytest.mark.parametrize("make", WAYS.values(), ids=WAYS)
def test_a_run_that_is_shared_from_its_start(make: Any, graph: Graph, user: User) -> None:
    execution = make(graph, user)
    report_all([NodeReport(execution, node_id="n", status="RUNNING"), ExecutionReport(execution, status="RUNNING")])
    assert statuses(execution) == ["QUEUED", "RUNNING"]


def write(**values: Any) -> dict[str, Any]:
    """Each way to write these values."""

    def saved(pk: Any, **options: Any) -> None:
        row = GraphExecution.objects.get(pk=pk)
        for name, value in values.items():
            setattr(row, name, value)
        row.save(**options)

    def in_bulk(pk: Any) -> None:
        row = GraphExecution(pk=pk, **values)
        GraphExecution.objects.bulk_update([row], list(values))

    return {
        "save": saved,
        "save of fields": lambda pk: saved(pk, update_fields=list(values)),
        "update": lambda pk: GraphExecution.objects.filter(pk=pk).update(**values),
        "bulk_update": in_bulk,
    }


ON, OFF = write(is_shared=True, share_token=TOKEN), write(is_shared=False, share_token=None)


@pytest.mark.parametrize("way", ON)
def test_every_write_of_the_sharing_counts(execution: GraphExecution, way: str, noted: list[str]) -> None:
    ON[way](execution.pk)
    assert statuses(execution) == ["QUEUED"]
    assert noted == []
    OFF[way](execution.pk)
    assert not Stream.objects.filter(key=streams.shared(str(execution.pk))).exists()
    guests = f"guest:guest|shared#{execution.pk}"
    assert noted == [guests]
    report_execution(execution, status="RUNNING")
    assert told(execution) == []
    ON[way](execution.pk)
    assert statuses(execution) == ["RUNNING"]  # another history
    write(share_token="another-token-of-twenty-two")[way](execution.pk)
    write(share_expires_at=timezone.now())[way](execution.pk)
    assert statuses(execution) == ["RUNNING"] * 3
    assert noted == [guests] * 3
    GraphExecution.objects.get().delete()
    assert not StreamEvent.objects.exclude(stream__key__endswith="executions").exists()
    assert noted == [guests] * 4


def test_an_edit_in_admin_counts(execution: GraphExecution, noted: list[str], client: Client) -> None:
    client.force_login(User.objects.create_superuser("admin"))

    def edit(**values: Any) -> Any:
        row = GraphExecution.objects.get()
        return client.post(change_url(row), form_of(client, row) | values)

    assert "so nobody can guess it" in errors_of(edit(is_shared="on", share_token="short"))
    assert edit(is_shared="on", share_token=TOKEN).status_code == 302
    assert statuses(execution) == ["QUEUED"]
    assert find_links({TOKEN})
    assert edit(share_token="another-token-of-twenty-two").status_code == 302
    assert noted == [f"guest:guest|shared#{execution.pk}"]
    ended = edit(is_shared="")
    assert ended.status_code == 302
    assert told(execution) == []
    assert len(noted) == 2


def test_a_share_that_is_taken_back_in_its_own_transaction_leaves_nothing(execution: GraphExecution) -> None:
    with transaction.atomic():
        share_execution(execution)
        share_execution(execution, is_shared=False)
    assert told(execution) == []
    assert not Stream.objects.filter(key__startswith="guest|").exists()
    with transaction.atomic():
        share_execution(execution)
        share_execution(execution, is_shared=False)
        share_execution(execution)
    numbered_head(streams.shared(str(execution.pk)))  # as the sweep does
    assert statuses(execution) == ["QUEUED"]


def test_a_full_save_that_leaves_the_sharing_as_it_is_sends_no_notice(execution: GraphExecution, noted: Any) -> None:
    share_execution(execution)
    for status in ("RUNNING", "FAILED"):
        row = GraphExecution.objects.get()
        row.status = status
        row.save()
        row.save()
    assert noted == []
    assert statuses(execution) == ["QUEUED", "RUNNING", "RUNNING", "FAILED", "FAILED"]


def test_a_stale_save_takes_the_share_back_as_any_write_does(execution: GraphExecution, noted: list[str]) -> None:
    stale, also_stale = (GraphExecution.objects.get(pk=execution.pk) for _ in range(2))
    share_execution(execution)
    stale.preset_id = "p"
    stale.save()
    assert not GraphExecution.objects.get().is_shared
    assert not Stream.objects.filter(key__startswith="guest|").exists()
    assert noted == [f"guest:guest|shared#{execution.pk}"]
    also_stale.status = "RUNNING"
    also_stale.save()
    stale.refresh_from_db()
    assert (stale.status, stale.preset_id) == ("RUNNING", None)


def test_a_deleted_user_takes_the_links_along(execution: GraphExecution, user: User, noted: list[str]) -> None:
    share_execution(execution)
    user.delete()
    assert not Stream.objects.filter(key__startswith="guest|").exists()
    assert f"guest:guest|shared#{execution.pk}" in noted


def test_an_owner_who_becomes_inactive_is_a_notice_to_the_guests(
    execution: GraphExecution, graph: Graph, user: User, noted: list[str]
) -> None:
    start_execution(graph, user=user)
    share_execution(execution)
    user.first_name = "Ada"
    user.save()
    assert noted == []
    user.is_active = False
    user.save()
    assert sorted(noted) == sorted([str(user.pk), f"guest:guest|shared#{execution.pk}"])


# What it costs


def test_an_execution_that_is_not_shared_costs_nothing(graph: Graph, user: User) -> None:
    execution = start_execution(graph, user=user)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        report_execution(execution, status="RUNNING")
        report_node(execution, node_id="n", status="RUNNING")
        row = GraphExecution.objects.get(pk=execution.pk)
        row.preset_id = "p"
        row.save()
        row.save()
        row.save(update_fields=["preset_id"])
        report_all(
            [NodeReport(execution, node_id="n", status="COMPLETED"), ExecutionReport(execution, status="FAILED")]
        )
        execution.delete()
    texts = " ".join(query["sql"] for query in queries)
    assert "guest|" not in texts
    assert 'FROM "executions_graph"' not in texts


def test_many_shared_ones_cost_one_query_for_their_names(graph: Graph, user: User) -> None:
    for _ in range(5):
        start_execution(graph, user=user, is_shared=True)
    with CaptureQueriesContext(connection) as queries:
        GraphExecution.objects.update(preset_id="p")
    assert sum('FROM "executions_graph"' in query["sql"] for query in queries) == 1
    assert StreamEvent.objects.filter(stream__key__startswith="guest|").count() == 10


def test_the_owner_is_charged_for_what_guests_get(execution: GraphExecution, user: User, settings: Settings) -> None:
    settings.REALTIME = {"LOG_WINDOW": 86_400}
    share_execution(execution)
    log_budget.flush()
    before = LOG_BYTES.spent(str(user.pk))
    report_execution(execution, status="RUNNING", outputs={"text": ["x" * 50_000]})
    log_budget.flush()
    assert 100_000 < LOG_BYTES.spent(str(user.pk)) - before < 110_000
    assert LOG_BYTES.spent("guest") == 0


def test_masks_that_make_an_event_too_large_never_refuse_the_report(
    execution: GraphExecution, settings: Settings
) -> None:
    settings.EXECUTIONS = {"SHARE_MASKED": ("*",)}
    settings.REALTIME = {"MAX_EVENT_BYTES": 60_000}
    share_execution(execution)
    report_execution(execution, status="RUNNING", outputs={f"n{number}": [1] for number in range(4_000)})
    assert told(execution)[-1][2]["status"] == "RUNNING"
    assert told(execution)[-1][2]["outputs"] == {}


# Links


def test_links_are_found_by_their_tokens(graph: Graph, user: User, django_assert_num_queries: Any) -> None:
    one, two = (start_execution(graph, user=user, is_shared=True) for _ in range(2))
    end = timezone.now() + timedelta(days=1)
    GraphExecution.objects.filter(pk=one.pk).update(share_expires_at=end)
    GraphExecution.objects.filter(pk=two.pk).update(share_expires_at=None)
    with django_assert_num_queries(1):
        found = find_links({one.share_token, two.share_token, "x" * 43})
    assert found == {
        one.share_token: Link(streams.shared(str(one.pk)), end.timestamp()),
        two.share_token: Link(streams.shared(str(two.pk)), None),
    }
