"""Pages of a stream's events over HTTP."""

import json
from datetime import timedelta

from django.contrib.auth.models import User
from pytest_django import Settings

from executions.models import GraphExecution
from executions.services import report_execution, report_node
from realtime import streams
from realtime.log.retention import prune
from realtime.models import StreamEvent
from realtime.publish import publish
from tests.executions.api.conftest import ApiClient, ok, refused


def test_events_are_complete_or_refused(person: ApiClient, execution: GraphExecution, settings: Settings) -> None:
    settings.REALTIME = {**settings.REALTIME, "PAGE_EVENTS": 2}
    report_execution(execution, status="RUNNING")
    for index in range(3):
        report_node(execution, node_id="split", status="RUNNING", output_data={"count": [index]})
    path = f"/executions/{execution.pk}/events"
    assert [event["seq"] for event in ok(person.get(path))["events"]] == [1, 2]
    page = ok(person.get(f"{path}?after=4"))
    assert [event["seq"] for event in page["events"]] == [5]
    for query in ("after=6", "after=1&epoch=another", f"after={2**63 - 1}"):
        error = refused(person.get(f"{path}?{query}"), 409)
        assert (error["code"], error["path"]) == ("not_recoverable", "after")
    stream = StreamEvent.objects.filter(method="node_execution_event")[0].stream
    assert stream
    prune(stream.pk, StreamEvent.objects.latest("created_at").created_at + timedelta(seconds=1))
    refused(person.get(f"{path}?after=1"), 409)
    for query in ("after=-1", f"after={2**63}", "after=x", f"epoch={'e' * 33}"):
        refused(person.get(f"{path}?{query}"), 422)


def test_only_a_notification_has_an_id(person: ApiClient, user: User) -> None:
    for method, entity in (("notification", "m1"), ("notification", ""), ("notification_read", "m1")):
        publish(streams.notifications(str(user.pk)), method, entity, {})
    assert ok(person.get("/notifications/events"))["events"] == [
        {"seq": 1, "method": "notification", "data": {}, "id": "m1"},
        {"seq": 2, "method": "notification", "data": {}},
        {"seq": 3, "method": "notification_read", "data": {}},
    ]


def test_the_data_of_an_event_is_sent_as_the_log_stores_it(person: ApiClient, execution: GraphExecution) -> None:
    answer = person.get(f"/executions/{execution.pk}/events")
    stored = StreamEvent.objects.exclude(data=None).get().data
    assert stored is not None
    assert stored in answer.content.decode()
    assert json.loads(answer.content)["floor"] == 0
