"""The payloads of events."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from executions.events import GraphExecutionEvent, NodeExecutionEvent, NotificationPayload
from executions.statuses import ExecutionStatus

NAIVE = datetime(2024, 5, 6, 7, 8, 9)


def a_graph_event() -> GraphExecutionEvent:
    return GraphExecutionEvent(
        id="graph-exec-1",
        user_id="user-1",
        graph_id="test_graph",
        graph_version=1,
        preset_id=None,
        status=ExecutionStatus.COMPLETED,
        started_at=NAIVE,
        ended_at=NAIVE,
        stats=GraphExecutionEvent.Stats(cost=0, duration=1.2, node_exec_time=0.5, node_exec_count=2),
        inputs={"input_1": "some input", "input_2": {"nested": True}},
        credential_inputs=None,
        nodes_input_masks=None,
        outputs={"the_output": ["some output"], "other_output": [1, 2]},
    )


def a_node_event() -> NodeExecutionEvent:
    return NodeExecutionEvent(
        user_id="user-1",
        graph_id="test_graph",
        graph_version=1,
        graph_exec_id="graph-exec-1",
        node_exec_id="node-exec-1",
        node_id="node-1",
        block_id="block-1",
        status=ExecutionStatus.COMPLETED,
        input_data={"in": 1},
        output_data={"out": ["x"]},
        add_time=NAIVE,
        queue_time=None,
        start_time=NAIVE,
        end_time=NAIVE,
    )


def test_a_graph_event_has_the_fields_of_the_wire_in_their_order() -> None:
    assert list(json.loads(a_graph_event().model_dump_json())) == [
        "id",
        "user_id",
        "graph_id",
        "graph_version",
        "inputs",
        "credential_inputs",
        "nodes_input_masks",
        "preset_id",
        "status",
        "started_at",
        "ended_at",
        "is_shared",
        "share_token",
        "is_dry_run",
        "organization_id",
        "team_id",
        "expert_id",
        "trigger_source",
        "trigger_ref",
        "schedule_id",
        "webhook_id",
        "stats",
        "outputs",
        "event_type",
    ]
    assert a_graph_event().event_type == "graph_execution_update"


def test_a_node_event_has_the_fields_of_the_wire_in_their_order() -> None:
    assert list(json.loads(a_node_event().model_dump_json())) == [
        "user_id",
        "graph_id",
        "graph_version",
        "graph_exec_id",
        "node_exec_id",
        "node_id",
        "block_id",
        "status",
        "input_data",
        "output_data",
        "add_time",
        "queue_time",
        "start_time",
        "end_time",
        "event_type",
    ]
    assert a_node_event().event_type == "node_execution_update"


def test_a_naive_time_is_read_as_utc_and_sent_with_an_offset() -> None:
    event = a_graph_event()
    assert event.started_at == NAIVE.replace(tzinfo=UTC)
    assert '"started_at":"2024-05-06T07:08:09Z"' in event.model_dump_json()


def test_an_aware_time_keeps_its_offset() -> None:
    aware = NAIVE.replace(tzinfo=timezone(timedelta(hours=2)))
    event = a_graph_event().model_copy(update={"ended_at": aware})
    assert '"ended_at":"2024-05-06T07:08:09+02:00"' in event.model_dump_json()


def test_an_event_survives_a_round_trip_through_json() -> None:
    for event in (a_graph_event(), a_node_event()):
        text = event.model_dump_json()
        again = type(event).model_validate_json(text)
        assert again == event
        assert again.model_dump_json() == text


def test_stats_have_defaults_and_take_fields_of_the_engine() -> None:
    stats = GraphExecutionEvent.Stats.model_validate({"gpu_seconds": 3})
    assert stats.model_dump() == {
        "cost": 0,
        "duration": 0.0,
        "duration_cpu_only": 0.0,
        "node_exec_time": 0.0,
        "node_exec_time_cpu_only": 0.0,
        "node_exec_count": 0,
        "node_error_count": 0,
        "error": None,
        "activity_status": None,
        "correctness_score": None,
        "gpu_seconds": 3,
    }
    assert '"duration":0.0' in stats.model_dump_json()


def test_outputs_are_lists_by_name() -> None:
    with pytest.raises(ValidationError, match=r"outputs\.report"):
        GraphExecutionEvent(id="e", user_id="u", graph_id="g", graph_version=1, status="RUNNING", outputs={"report": 5})


def test_a_notification_holds_type_event_and_extra_fields() -> None:
    payload = NotificationPayload(type="info", event="hey", run="e1", count=3)
    assert json.loads(payload.model_dump_json()) == {"type": "info", "event": "hey", "run": "e1", "count": 3}
