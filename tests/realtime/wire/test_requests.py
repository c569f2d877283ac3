"""Which requests are parsed, and which are refused with which text."""

import json
import tracemalloc
from typing import Any

import pytest
from pydantic import BaseModel
from pytest_django import Settings

from realtime.conf import DEFAULTS
from realtime.wire.methods import WSMethod
from realtime.wire.requests import (
    DATA_MISSING,
    INTERNAL_ERROR,
    INVALID_DATA,
    INVALID_FORMAT,
    NOT_FOUND,
    NOT_PROCESSED,
    REQUESTS,
    BadRequest,
    GraphExecsTarget,
    GraphExecTarget,
    NotificationsTarget,
    Replay,
    Request,
    StreamTarget,
    SubscribeGraphExec,
    SubscribeGraphExecs,
    SubscribeNotifications,
    SubscribeStream,
    parse_request,
    request_for,
)

pytestmark = pytest.mark.once

SUBSCRIBE = WSMethod.SUBSCRIBE_GRAPH_EXEC


def request(method: str, data: Any = None, **fields: Any) -> str:
    return json.dumps({"method": method, "data": data, **fields})


def refusal(text: str) -> BadRequest:
    with pytest.raises(BadRequest) as refused:
        parse_request(text)
    return refused.value


# Valid requests


@pytest.mark.parametrize(
    ("method", "data", "expected"),
    [
        ("subscribe_graph_execution", {"graph_exec_id": "E"}, SubscribeGraphExec(graph_exec_id="E")),
        ("subscribe_graph_executions", {"graph_id": "G"}, SubscribeGraphExecs(graph_id="G")),
        ("unsubscribe", {"graph_exec_id": "E"}, GraphExecTarget(graph_exec_id="E")),
        ("unsubscribe", {"graph_id": "G"}, GraphExecsTarget(graph_id="G")),
        ("unsubscribe", {"kind": "orders", "id": "7"}, StreamTarget(kind="orders", id="7")),
        ("unsubscribe", {"notifications": True}, NotificationsTarget(notifications=True)),
        ("unsubscribe", {"graph_exec_id": "E", "graph_id": "G"}, GraphExecTarget(graph_exec_id="E")),
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
def test_a_valid_request_is_parsed(method: str, data: Any, expected: BaseModel | None) -> None:
    assert parse_request(request(method, data)) == Request(WSMethod(method), None, expected)


def test_the_heartbeat_of_the_stock_frontend_is_parsed() -> None:
    assert parse_request('{"method":"heartbeat","data":"ping","success":true}').method == WSMethod.HEARTBEAT


def test_unknown_fields_of_the_envelope_are_ignored() -> None:
    text = request(SUBSCRIBE, {"graph_exec_id": "E"}, seq=5, user="somebody", nan=[1e300])
    assert parse_request(text).data == SubscribeGraphExec(graph_exec_id="E")


def test_the_id_of_a_request_is_kept_for_its_answer() -> None:
    assert parse_request(request("heartbeat", id="7")).id == "7"
    assert refusal(request(SUBSCRIBE, id="7")).id == "7"
    assert refusal(request("notification", id="7")).id == "7"
    assert refusal(request(SUBSCRIBE, {"graph_exec_id": 1}, id="7")).id == "7"


@pytest.mark.parametrize("id", ["7", 7, 0, -1, 7.5, 10**100, "é"])
@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "no_such_method"},
        {"method": None},
        {},
        {"method": "heartbeat", "channel": 7},
        {"method": "heartbeat", "success": "maybe"},
        {"method": "heartbeat", "data": True},
    ],
)
def test_the_id_of_a_message_in_a_wrong_format_is_read(wrong: dict[str, Any], id: Any) -> None:
    refused = refusal(json.dumps({**wrong, "id": id}))
    assert (str(refused), refused.id, type(refused.id)) == (INVALID_FORMAT, id, type(id))


@pytest.mark.parametrize(
    "fields",
    [
        '"success":"true"',
        '"success":"off"',
        '"success":1',
        '"success":0.0',
        '"data":{"a":NaN}',
        '"data":{"a":[Infinity,-Infinity]}',
        '"data":[NaN]',
        '"id":7',
    ],
)
def test_what_the_base_protocol_accepts_is_accepted(fields: str) -> None:
    assert parse_request(f'{{"method":"heartbeat",{fields}}}').method == WSMethod.HEARTBEAT
    assert parse_request(f'{{"method":"error",{fields}}}').method == WSMethod.ERROR


UUID_SPELLINGS = [
    "0b8f6f6a-3f0e-4d52-9f5e-6c1f2a3b4c5d",
    "0B8F6F6A-3F0E-4D52-9F5E-6C1F2A3B4C5D",
    "0b8f6f6a3f0e4d529f5e6c1f2a3b4c5d",
    "{0b8f6f6a-3f0e-4d52-9f5e-6c1f2a3b4c5d}",
    "urn:uuid:0B8F6F6A-3f0e-4d52-9f5e-6c1f2a3b4c5d",
    "0b8f-6f6a-3f0e-4d52-9f5e-6c1f-2a3b-4c5d",
]


@pytest.mark.parametrize("id", UUID_SPELLINGS)
def test_a_row_has_one_id_however_it_is_spelled(id: str) -> None:
    usual = UUID_SPELLINGS[0]
    assert parse_request(request(SUBSCRIBE, {"graph_exec_id": id})).data.target == GraphExecTarget(graph_exec_id=usual)
    assert parse_request(request("unsubscribe", {"graph_exec_id": id})).data.graph_exec_id == usual
    assert parse_request(request("unsubscribe", {"graph_id": id})).data.graph_id == usual
    assert parse_request(request("unsubscribe", {"kind": "orders", "id": id})).data.id == id  # the app's own spelling


def test_the_last_one_of_duplicate_fields_counts() -> None:
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
        pytest.param('{"method":"heartbeat","success":"maybe"}', id="another text as success"),
        pytest.param('{"method":"heartbeat","success":2}', id="another number as success"),
        pytest.param('{"method":"heartbeat","success":NaN}', id="NaN as success"),
        pytest.param('{"method":"heartbeat","channel":1}', id="a number as channel"),
        pytest.param('{"method":"heartbeat","error":{}}', id="an object as error"),
        pytest.param('{"method":"heartbeat","id":true}', id="true as id"),
        pytest.param('{"method":"heartbeat","id":NaN}', id="NaN as id"),
        pytest.param('{"method":"heartbeat","id":1e999}', id="infinity as id"),
        pytest.param('{"method":"heartbeat","id":%s}' % ("9" * 201), id="a long number as id"),
        pytest.param('{"method":"heartbeat","id":["7"]}', id="a list as id"),
        pytest.param('{"method":"heartbeat","id":""}', id="an empty id"),
        pytest.param('{"method":"heartbeat","id":"%s"}' % ("a" * 201), id="too long an id"),
        pytest.param('{"method":"heartbeat","id":"a\\u0000"}', id="U+0000 in an id"),
        pytest.param('{"method":"heartbeat","data":NaN}', id="NaN"),
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
def test_text_that_is_no_message_is_an_invalid_format(text: str) -> None:
    refused = refusal(text)
    assert str(refused) == INVALID_FORMAT == "Invalid message format. Review the schema and retry"
    assert refused.id is None


@pytest.mark.parametrize("value", ["0", "[]", "{}", '"a"'])
def test_a_message_has_a_bounded_number_of_values(settings: Settings, value: str) -> None:
    settings.REALTIME = {"MAX_MESSAGE_VALUES": 100}
    room = {"0": 97, "[]": 48, "{}": 48, '"a"': 97}[value]  # beside the envelope with its three values
    fits, more = (f'{{"method":"heartbeat","data":[{",".join([value] * count)}]}}' for count in (room, room + 3))
    assert parse_request(fits).method == WSMethod.HEARTBEAT
    assert str(refusal(more)) == INVALID_FORMAT


@pytest.mark.parametrize(
    "method", ["subscribe_graph_execution", "subscribe_graph_executions", "unsubscribe", "subscribe_stream"]
)
@pytest.mark.parametrize("data", ["", ',"data":null', ',"data":{}', ',"data":""', ',"data":[]'])
def test_a_subscribe_or_unsubscribe_without_data_is_refused(method: str, data: str) -> None:
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
        ("unsubscribe", {"notifications": False}),
        ("unsubscribe", {"notifications": "all"}),
        ("unsubscribe", {"graph_exec_id": None}),
        ("unsubscribe", "E"),
    ],
)
def test_data_of_the_wrong_shape_is_refused(method: str, data: Any) -> None:
    assert str(refusal(request(method, data))) == INVALID_DATA == "Invalid message data. Refer to the API schema"


def test_a_number_above_the_range_of_a_float_is_no_cursor() -> None:
    text = '{"method":"subscribe_graph_execution","data":{"graph_exec_id":"E","after":1e999}}'
    assert str(refusal(text)) == INVALID_DATA


@pytest.mark.parametrize("method", sorted(set(WSMethod) - set(REQUESTS)))
def test_a_method_of_the_server_is_not_processed(method: str) -> None:
    refused = refusal(request(method, {"graph_exec_id": "E"}))
    assert str(refused) == NOT_PROCESSED == "Message type is not processed by the server"


def test_the_settings_limit_the_lengths(settings: Settings) -> None:
    settings.REALTIME = {"MAX_ID_LENGTH": 3, "MAX_SNAPSHOT_LIMIT": 5}
    assert parse_request(request(SUBSCRIBE, {"graph_exec_id": "abc", "limit": 5}))
    assert str(refusal(request(SUBSCRIBE, {"graph_exec_id": "abcd"}))) == INVALID_DATA
    assert str(refusal(request(SUBSCRIBE, {"graph_exec_id": "abc", "limit": 6}))) == INVALID_DATA


def test_the_other_error_texts_are_those_of_the_protocol() -> None:
    assert NOT_FOUND[WSMethod.SUBSCRIBE_GRAPH_EXEC] == "Graph execution not found"
    assert NOT_FOUND[WSMethod.SUBSCRIBE_GRAPH_EXECS] == "Graph not found"
    assert INTERNAL_ERROR == "Internal error"
    assert set(NOT_FOUND) == {method for method in REQUESTS if method.startswith("subscribe")}


def test_the_target_of_a_subscribe_is_the_data_of_its_unsubscribe() -> None:
    for subscribe, unsubscribe in (
        ({"graph_exec_id": "E", "after": 3}, {"graph_exec_id": "E"}),
        ({"graph_id": "G", "replay": "latest"}, {"graph_id": "G"}),
        ({"kind": "orders", "id": "7"}, {"kind": "orders", "id": "7"}),
    ):
        method = next(m for m in ("graph_exec_id", "graph_id", "kind") if m in subscribe)
        names = {"graph_exec_id": "graph_execution", "graph_id": "graph_executions", "kind": "stream"}
        subscribed = parse_request(request(f"subscribe_{names[method]}", subscribe)).data
        assert subscribed.target == parse_request(request("unsubscribe", unsubscribe)).data
        again = request_for(WSMethod(f"subscribe_{names[method]}"), subscribed.target)
        assert (again.data.target, again.data.numbered) == (subscribed.target, False)
    assert SubscribeNotifications().target == parse_request(request("unsubscribe", {"notifications": True})).data


# Hostile frames


@pytest.mark.parametrize(
    "value",
    ["{},", "[],", '"",', "1,", "[", '{"a":', '"k":{},', "9", "-1e9,", "\\u0000", '"\\ud800",', "null,"],
)
@pytest.mark.parametrize(
    "shape", ["{}", "[{}1]", '{{"method":"subscribe_graph_execution","data":{{{}"a":1}}}}', "[{}]"]
)
def test_the_largest_frame_costs_little_memory(value: str, shape: str) -> None:
    """Frames need no count of their values: MAX_MESSAGE_BYTES bounds it."""
    text = shape.format(value * ((DEFAULTS.MAX_MESSAGE_BYTES - len(shape)) // len(value)))
    tracemalloc.start()
    try:
        refusal(text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000  # bytes
