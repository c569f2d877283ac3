"""The exact text of each frame."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from executions.events import GraphExecutionEvent, NodeExecutionEvent, NotificationPayload
from executions.statuses import ExecutionStatus
from realtime.publishing.recording import as_json
from realtime.wire.frames import PONG, WSMessage, answer_frame, error_frame, event_frame, pong_frame, with_id, with_seq
from realtime.wire.methods import WSMethod
from realtime.wire.requests import (
    DATA_MISSING,
    INVALID_FORMAT,
)

pytestmark = pytest.mark.once

SUBSCRIBE = WSMethod.SUBSCRIBE_GRAPH_EXEC


def test_an_answer_has_the_text_of_the_base_protocol() -> None:
    assert answer_frame(SUBSCRIBE, channel="U|graph_exec#E") == (
        '{"method":"subscribe_graph_execution","data":null,"success":true,"channel":"U|graph_exec#E","error":null}'
    )
    assert answer_frame(WSMethod.UNSUBSCRIBE, channel=None) == (
        '{"method":"unsubscribe","data":null,"success":true,"channel":null,"error":null}'
    )


def test_the_answer_to_a_heartbeat_has_exactly_three_fields() -> None:
    assert pong_frame() == PONG == '{"method":"heartbeat","data":"pong","success":true}'


def test_an_error_has_the_text_of_the_base_protocol() -> None:
    assert error_frame(INVALID_FORMAT) == (
        '{"method":"error","data":null,"success":false,"channel":null,'
        '"error":"Invalid message format. Review the schema and retry"}'
    )


def test_an_error_may_name_its_stream() -> None:
    frame = json.loads(error_frame("Graph not found", channel="U|graph#G|executions"))
    assert frame["channel"] == "U|graph#G|executions"
    assert list(frame) == ["method", "data", "success", "channel", "error"]


def test_the_id_of_a_request_is_the_last_field_of_its_answer() -> None:
    for frame in (
        pong_frame('q"\\é\n'),
        answer_frame(SUBSCRIBE, channel="c", data={"head": 1}, id='q"\\é\n'),
        error_frame(DATA_MISSING, id='q"\\é\n'),
    ):
        assert list(json.loads(frame).items())[-1] == ("id", 'q"\\é\n')


def test_an_answer_of_part_2_has_data() -> None:
    frame = json.loads(answer_frame(SUBSCRIBE, channel="c", data={"epoch": "e", "head": 42, "recovered": True}, id="1"))
    assert list(frame) == ["method", "data", "success", "channel", "error", "id"]
    assert frame["data"] == {"epoch": "e", "head": 42, "recovered": True}


HARD = {
    "quotes": ['"\\/', "</script>", "'"],
    "unicode": ["é😀\u2028\u2029\x7f\ufeff", "\x00\x01\n\t"],
    "numbers": [0, 0.0, -0.0, 1e22, 1e-7, 1.5, 0.1 + 0.2, 2**70, 1e308],
    "not finite": [float("nan"), float("inf"), -float("inf")],
    "empty": [None, "", [], {}, True, False],
    "deep": [{"a": [{"b": [[]]}]}],
    "times": [datetime(2024, 2, 29, 23, 59, 59, 999999, UTC), timedelta(seconds=1.5)],
    "": [],
}

EAST = timezone(timedelta(hours=5, minutes=30))

WHEN = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


def graph_event(**fields: Any) -> GraphExecutionEvent:
    return GraphExecutionEvent.model_validate(
        {
            "id": "graph-exec-1",
            "user_id": "user-1",
            "graph_id": "test_graph",
            "graph_version": 1,
            "status": ExecutionStatus.RUNNING,
            **fields,
        }
    )


def node_event(**fields: Any) -> NodeExecutionEvent:
    return NodeExecutionEvent.model_validate(
        {
            "user_id": "user-1",
            "graph_id": "test_graph",
            "graph_version": 1,
            "graph_exec_id": "graph-exec-1",
            "node_exec_id": "node-exec-1",
            "node_id": "node-1",
            "block_id": "block-1",
            "status": ExecutionStatus.COMPLETED,
            "add_time": WHEN,
            **fields,
        }
    )


STATS = GraphExecutionEvent.Stats.model_validate({"cost": 3, "duration": 1e-7, "own": HARD})

EVENTS: list[tuple[WSMethod, BaseModel]] = [
    (WSMethod.GRAPH_EXECUTION_EVENT, graph_event()),
    (WSMethod.GRAPH_EXECUTION_EVENT, graph_event(outputs=HARD, inputs=HARD, stats=STATS)),
    (WSMethod.GRAPH_EXECUTION_EVENT, graph_event(started_at=WHEN, ended_at=WHEN.astimezone(EAST))),
    (WSMethod.GRAPH_EXECUTION_EVENT, graph_event(started_at=datetime(2024, 1, 2, 3, 4, 5, 600000))),
    (WSMethod.GRAPH_EXECUTION_EVENT, graph_event(stats=GraphExecutionEvent.Stats(), credential_inputs={})),
    (WSMethod.GRAPH_EXECUTION_EVENT, graph_event(id='"|#\n', user_id="é", is_shared=True, share_token="")),
    (WSMethod.NODE_EXECUTION_EVENT, node_event()),
    (WSMethod.NODE_EXECUTION_EVENT, node_event(input_data=HARD, output_data=HARD, queue_time=WHEN)),
    (WSMethod.NODE_EXECUTION_EVENT, node_event(input_data={"id": UUID(int=5), "at": WHEN, "set": {1}})),
    (WSMethod.NOTIFICATION, NotificationPayload(type="info", event="hey")),
    (WSMethod.NOTIFICATION, NotificationPayload.model_validate({"type": "", "event": "\u2028", "extra": HARD})),
]


@pytest.mark.parametrize("channel", ["U|graph_exec#E", 'u"\\é\n|graph#😀|executions', None])
@pytest.mark.parametrize(("method", "event"), EVENTS)
def test_the_frame_of_an_event_equals_the_json_of_its_message(
    method: WSMethod, event: BaseModel, channel: str | None
) -> None:
    frame = event_frame(method, as_json(event), channel)
    assert frame == WSMessage(method=method, channel=channel, data=event.model_dump()).model_dump_json()
    assert list(json.loads(frame)) == ["method", "data", "success", "channel", "error"]


@pytest.mark.parametrize(("method", "event"), EVENTS)
def test_a_browser_can_read_every_frame(method: WSMethod, event: BaseModel) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    frame = event_frame(method, as_json(event), None)
    frame.encode()
    json.loads(frame, parse_constant=refuse)


def test_the_number_is_the_last_field_of_a_numbered_frame() -> None:
    frame = event_frame(WSMethod.NOTIFICATION, '{"type":"a","event":"}"}', "c")
    assert with_seq(frame, 7) == frame[:-1] + ',"seq":7}'
    assert list(json.loads(with_seq(frame, 2**62)).items())[-1] == ("seq", 2**62)
    assert list(json.loads(with_id(with_seq(frame, 7), '"'))) == [*json.loads(frame), "seq", "id"]


def test_an_event_of_another_app_has_the_same_fields() -> None:
    frame = event_frame("order_shipped", '{"id":7}', "U|orders#7")
    assert json.loads(frame) == {
        "method": "order_shipped",
        "data": {"id": 7},
        "success": None,
        "channel": "U|orders#7",
        "error": None,
    }
