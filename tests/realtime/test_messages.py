"""The wire: requests in, frames out, byte for byte."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel
from pytest_django import Settings

from executions.events import GraphExecutionEvent, NodeExecutionEvent, NotificationPayload
from executions.statuses import ExecutionStatus
from realtime.messages import (
    DATA_MISSING,
    INTERNAL_ERROR,
    INVALID_DATA,
    INVALID_FORMAT,
    NOT_FOUND,
    NOT_PROCESSED,
    PONG,
    REQUESTS,
    BadRequest,
    GraphExecsTarget,
    GraphExecTarget,
    Replay,
    Request,
    StreamTarget,
    SubscribeGraphExec,
    SubscribeGraphExecs,
    SubscribeNotifications,
    SubscribeStream,
    WSMessage,
    WSMethod,
    answer_frame,
    error_frame,
    event_frame,
    numbered,
    parse_request,
    pong_frame,
)
from realtime.publish import as_json

SUBSCRIBE = WSMethod.SUBSCRIBE_GRAPH_EXEC


def request(method: str, data: Any = None, **fields: Any) -> str:
    return json.dumps({"method": method, "data": data, **fields})


def refusal(text: str) -> BadRequest:
    with pytest.raises(BadRequest) as refused:
        parse_request(text)
    return refused.value


# Requests that are understood


@pytest.mark.parametrize(
    ("method", "data", "understood"),
    [
        ("subscribe_graph_execution", {"graph_exec_id": "E"}, SubscribeGraphExec(graph_exec_id="E")),
        ("subscribe_graph_executions", {"graph_id": "G"}, SubscribeGraphExecs(graph_id="G")),
        ("unsubscribe", {"graph_exec_id": "E"}, GraphExecTarget(graph_exec_id="E")),
        ("unsubscribe", {"graph_id": "G"}, GraphExecsTarget(graph_id="G")),
        ("unsubscribe", {"kind": "orders", "id": "7"}, StreamTarget(kind="orders", id="7")),
        ("subscribe_stream", {"kind": "orders", "id": "7"}, SubscribeStream(kind="orders", id="7")),
        ("subscribe_notifications", {"after": 3}, SubscribeNotifications(after=3)),
        ("subscribe_notifications", {}, SubscribeNotifications()),
        ("subscribe_notifications", None, SubscribeNotifications()),
        (
            "subscribe_graph_execution",
            {"graph_exec_id": "E", "after": 0, "epoch": "e", "replay": "latest", "limit": 7},
            SubscribeGraphExec(graph_exec_id="E", after=0, epoch="e", replay=Replay.LATEST, limit=7),
        ),
        ("subscribe_graph_execution", {"graph_exec_id": "E", "what": "else"}, SubscribeGraphExec(graph_exec_id="E")),
        ("heartbeat", "ping", None),
        ("heartbeat", None, None),
        ("error", "something", None),
    ],
)
def test_a_request_is_understood(method: str, data: Any, understood: BaseModel | None) -> None:
    assert parse_request(request(method, data)) == Request(WSMethod(method), None, understood)


def test_the_heartbeat_of_the_stock_frontend_is_understood() -> None:
    assert parse_request('{"method":"heartbeat","data":"ping","success":true}').method == WSMethod.HEARTBEAT


def test_unknown_fields_of_the_envelope_are_ignored() -> None:
    text = request(SUBSCRIBE, {"graph_exec_id": "E"}, seq=5, user="somebody", nan=[1e300])
    assert parse_request(text).data == SubscribeGraphExec(graph_exec_id="E")


def test_a_requests_id_is_kept_for_its_answer() -> None:
    assert parse_request(request("heartbeat", id="7")).id == "7"
    assert refusal(request(SUBSCRIBE, id="7")).id == "7"
    assert refusal(request("notification", id="7")).id == "7"
    assert refusal(request(SUBSCRIBE, {"graph_exec_id": 1}, id="7")).id == "7"


def test_of_a_field_given_twice_the_last_one_counts() -> None:
    text = '{"method":"unsubscribe","method":"heartbeat","data":{"graph_exec_id":"A"},"data":"ping"}'
    assert parse_request(text).method == WSMethod.HEARTBEAT
    text = '{"method":"unsubscribe","data":{"graph_exec_id":"A","graph_exec_id":"B"}}'
    assert parse_request(text).data == GraphExecTarget(graph_exec_id="B")


def test_an_id_may_be_any_text_within_its_length() -> None:
    for id in ("graph-exec-1", "test_graph", " ", '"', "\n", "é", "😀", "a" * 200):
        assert parse_request(request(SUBSCRIBE, {"graph_exec_id": id}, id=id)).data.graph_exec_id == id


# Requests that are refused


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("{", id="half of JSON"),
        pytest.param("heartbeat", id="no JSON"),
        pytest.param("null", id="null"),
        pytest.param("[]", id="a list"),
        pytest.param('"heartbeat"', id="a text"),
        pytest.param("1", id="a number"),
        pytest.param("{}", id="no method"),
        pytest.param('{"method":null}', id="null as method"),
        pytest.param('{"method":"subscribe"}', id="an unknown method"),
        pytest.param('{"method":"HEARTBEAT"}', id="a method in capitals"),
        pytest.param('{"method":1}', id="a number as method"),
        pytest.param('{"method":["heartbeat"]}', id="a list as method"),
        pytest.param('{"method":"heartbeat","data":1}', id="a number as data"),
        pytest.param('{"method":"heartbeat","data":true}', id="true as data"),
        pytest.param('{"method":"heartbeat","success":"true"}', id="a text as success"),
        pytest.param('{"method":"heartbeat","success":1}', id="a number as success"),
        pytest.param('{"method":"heartbeat","channel":1}', id="a number as channel"),
        pytest.param('{"method":"heartbeat","error":{}}', id="an object as error"),
        pytest.param('{"method":"heartbeat","id":1}', id="a number as id"),
        pytest.param('{"method":"heartbeat","id":""}', id="an empty id"),
        pytest.param('{"method":"heartbeat","id":"%s"}' % ("a" * 201), id="too long an id"),
        pytest.param('{"method":"heartbeat","id":"a\\u0000"}', id="U+0000 in an id"),
        pytest.param('{"method":"heartbeat","data":NaN}', id="NaN"),
        pytest.param('{"method":"heartbeat","data":{"a":NaN}}', id="NaN inside"),
        pytest.param('{"method":"heartbeat","data":{"a":Infinity}}', id="Infinity"),
        pytest.param('{"method":"heartbeat","data":"\\ud800"}', id="an escaped lone surrogate"),
        pytest.param('{"method":"heartbeat","data":"\ud800"}', id="a lone surrogate"),
        pytest.param('{"method":"heartbeat"} {}', id="two objects"),
        pytest.param("{'method':'heartbeat'}", id="Python's quotes"),
        pytest.param('{"method":"heartbeat","data":' + "[" * 5_000 + "]" * 5_000 + "}", id="deep nesting"),
        pytest.param("[" * 60_000, id="very deep nesting"),
        pytest.param('{"method":"heartbeat","data":{"a":' + "9" * 5_000 + "}}", id="a huge number"),
        pytest.param("\ufeff{}", id="a byte order mark"),
        pytest.param("\x00", id="U+0000"),
    ],
)
def test_what_is_no_envelope_is_an_invalid_format(text: str) -> None:
    refused = refusal(text)
    assert str(refused) == INVALID_FORMAT == "Invalid message format. Review the schema and retry"
    assert refused.id is None


@pytest.mark.parametrize(
    "method", ["subscribe_graph_execution", "subscribe_graph_executions", "unsubscribe", "subscribe_stream"]
)
@pytest.mark.parametrize("data", ["", ',"data":null', ',"data":{}', ',"data":""', ',"data":[]'])
def test_a_subscribe_or_unsubscribe_without_data_is_told_so(method: str, data: str) -> None:
    assert str(refusal(f'{{"method":"{method}"{data}}}')) == DATA_MISSING == "Subscription data missing"


@pytest.mark.parametrize(
    ("method", "data"),
    [
        ("subscribe_graph_execution", {"graph_id": "G"}),
        ("subscribe_graph_execution", {"graph_exec_id": None}),
        ("subscribe_graph_execution", {"graph_exec_id": 1}),
        ("subscribe_graph_execution", {"graph_exec_id": ""}),
        ("subscribe_graph_execution", {"graph_exec_id": "a" * 201}),
        ("subscribe_graph_execution", {"graph_exec_id": "a\0"}),
        ("subscribe_graph_execution", {"graph_exec_id": ["E"]}),
        ("subscribe_graph_execution", ["E"]),
        ("subscribe_graph_execution", "E"),
        ("subscribe_graph_execution", {"graph_exec_id": "E", "after": -1}),
        ("subscribe_graph_execution", {"graph_exec_id": "E", "after": 2**63}),
        ("subscribe_graph_execution", {"graph_exec_id": "E", "after": 10**1000}),
        ("subscribe_graph_execution", {"graph_exec_id": "E", "after": 1.5}),
        ("subscribe_graph_execution", {"graph_exec_id": "E", "after": "1"}),
        ("subscribe_graph_execution", {"graph_exec_id": "E", "replay": "everything"}),
        ("subscribe_graph_execution", {"graph_exec_id": "E", "limit": 0}),
        ("subscribe_graph_executions", {"graph_exec_id": "E"}),
        ("subscribe_stream", {"kind": "orders"}),
        ("subscribe_stream", {"kind": "orders", "id": "a\0b"}),
        ("subscribe_notifications", {"after": "now"}),
        ("subscribe_notifications", ["now"]),
        ("unsubscribe", {"id": "E"}),
        ("unsubscribe", {"graph_exec_id": None}),
        ("unsubscribe", "E"),
    ],
)
def test_data_of_the_wrong_shape_is_told_so(method: str, data: Any) -> None:
    assert str(refusal(request(method, data))) == INVALID_DATA == "Invalid message data. Refer to the API schema"


def test_a_number_that_no_float_holds_is_no_cursor() -> None:
    text = '{"method":"subscribe_graph_execution","data":{"graph_exec_id":"E","after":1e999}}'
    assert str(refusal(text)) == INVALID_DATA


@pytest.mark.parametrize("method", sorted(set(WSMethod) - set(REQUESTS)))
def test_a_servers_method_is_not_processed(method: str) -> None:
    refused = refusal(request(method, {"graph_exec_id": "E"}))
    assert str(refused) == NOT_PROCESSED == "Message type is not processed by the server"


def test_the_lengths_follow_the_settings(settings: Settings) -> None:
    settings.REALTIME = {"MAX_ID_LENGTH": 3, "MAX_SNAPSHOT_LIMIT": 5}
    assert parse_request(request(SUBSCRIBE, {"graph_exec_id": "abc", "limit": 5}))
    assert str(refusal(request(SUBSCRIBE, {"graph_exec_id": "abcd"}))) == INVALID_DATA
    assert str(refusal(request(SUBSCRIBE, {"graph_exec_id": "abc", "limit": 6}))) == INVALID_DATA


def test_the_other_error_texts_are_those_of_the_wire() -> None:
    assert NOT_FOUND[WSMethod.SUBSCRIBE_GRAPH_EXEC] == "Graph execution not found"
    assert NOT_FOUND[WSMethod.SUBSCRIBE_GRAPH_EXECS] == "Graph not found"
    assert INTERNAL_ERROR == "Internal error"
    assert set(NOT_FOUND) == {method for method in REQUESTS if method.startswith("subscribe")}


def test_an_unsubscribe_means_the_stream_that_the_subscribe_meant() -> None:
    for subscribe, unsubscribe in (
        ({"graph_exec_id": "E", "after": 3}, {"graph_exec_id": "E"}),
        ({"graph_id": "G", "replay": "latest"}, {"graph_id": "G"}),
        ({"kind": "orders", "id": "7"}, {"kind": "orders", "id": "7"}),
    ):
        method = next(m for m in ("graph_exec_id", "graph_id", "kind") if m in subscribe)
        names = {"graph_exec_id": "graph_execution", "graph_id": "graph_executions", "kind": "stream"}
        subscribed = parse_request(request(f"subscribe_{names[method]}", subscribe)).data
        assert subscribed.target == parse_request(request("unsubscribe", unsubscribe)).data
    assert SubscribeNotifications().target is None


# Answers


def test_an_answer_is_spelt_as_the_base_protocol_spells_it() -> None:
    assert answer_frame(SUBSCRIBE, channel="U|graph_exec#E") == (
        '{"method":"subscribe_graph_execution","data":null,"success":true,"channel":"U|graph_exec#E","error":null}'
    )
    assert answer_frame(WSMethod.UNSUBSCRIBE, channel=None) == (
        '{"method":"unsubscribe","data":null,"success":true,"channel":null,"error":null}'
    )


def test_the_answer_to_a_heartbeat_has_exactly_three_fields() -> None:
    assert pong_frame() == PONG == '{"method":"heartbeat","data":"pong","success":true}'


def test_an_error_is_spelt_as_the_base_protocol_spells_it() -> None:
    assert error_frame(INVALID_FORMAT) == (
        '{"method":"error","data":null,"success":false,"channel":null,'
        '"error":"Invalid message format. Review the schema and retry"}'
    )


def test_the_requests_id_is_the_last_field_of_whatever_answers_it() -> None:
    for frame in (
        pong_frame('q"\\é\n'),
        answer_frame(SUBSCRIBE, channel="c", data={"head": 1}, id='q"\\é\n'),
        error_frame(DATA_MISSING, id='q"\\é\n'),
    ):
        assert list(json.loads(frame).items())[-1] == ("id", 'q"\\é\n')


def test_the_answer_of_part_2_carries_its_data() -> None:
    frame = json.loads(answer_frame(SUBSCRIBE, channel="c", data={"epoch": "e", "head": 42, "recovered": True}, id="1"))
    assert list(frame) == ["method", "data", "success", "channel", "error", "id"]
    assert frame["data"] == {"epoch": "e", "head": 42, "recovered": True}


# Events

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
def test_an_events_frame_is_the_envelopes_json_byte_for_byte(
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
    assert numbered(frame, 7) == frame[:-1] + ',"seq":7}'
    assert list(json.loads(numbered(frame, 2**62)).items())[-1] == ("seq", 2**62)


def test_a_method_of_another_app_makes_a_frame_like_ours() -> None:
    frame = event_frame("order_shipped", '{"id":7}', "U|orders#7")
    assert json.loads(frame) == {
        "method": "order_shipped",
        "data": {"id": 7},
        "success": None,
        "channel": "U|orders#7",
        "error": None,
    }
