"""Frames of clients: the text of a WebSocket message becomes a request or a clear error."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.conf import limits
from realtime.wire import requests
from realtime.wire.frames import error_frame
from realtime.wire.methods import WSMethod
from realtime.wire.requests import BadRequest, Request, parse_request
from tests.fuzz.inputs import json_bytes, json_values, near, texts
from tests.fuzz.oracles import LONG_REPR, SHORT, at_most_calls

pytestmark = [pytest.mark.once, LONG_REPR]

SUBSCRIBE = {"after": 3, "epoch": "e", "replay": "all", "limit": 5}
FRAMES: list[dict[str, Any]] = [
    {"method": "subscribe_graph_execution", "data": {"graph_exec_id": "E", **SUBSCRIBE}, "id": "1"},
    {"method": "subscribe_graph_executions", "data": {"graph_id": "G", **SUBSCRIBE}, "channel": None},
    {"method": "subscribe_stream", "data": {"kind": "k", "id": "i", **SUBSCRIBE}, "success": True},
    {"method": "subscribe_notifications", "data": SUBSCRIBE, "error": "x"},
    {"method": "unsubscribe", "data": {"graph_exec_id": "E"}},
    {"method": "unsubscribe", "data": {"kind": "k", "id": "i"}, "id": "2"},
    {"method": "heartbeat", "data": "ping", "id": "3"},
    {"method": "error", "data": ["x"]},
    {"method": "notification", "data": {}},
]
documents = st.sampled_from(FRAMES).flatmap(near)
frames = st.one_of(
    json_bytes(st.one_of(documents, json_values)).map(lambda data: data.decode("utf-8", "replace")), texts
)

IDS = {
    "subscribe_graph_execution": {"graph_exec_id"},
    "subscribe_graph_executions": {"graph_id"},
    "subscribe_stream": {"kind", "id"},
    "subscribe_notifications": set[str](),
}


def outcome(text: str) -> Request | tuple[str, str | None]:
    try:
        return parse_request(text)
    except BadRequest as refused:
        return str(refused), refused.id


def expected(text: str) -> tuple[str, str | None] | None:
    """The error that the protocol names for this text, found with the json module and a few rules. None if there is no
    error, or if JSON parsers differ about the text (very deep, very long numbers)."""

    def refuse(_: str) -> Any:
        raise OverflowError

    try:
        frame = json.loads(text, parse_constant=refuse)
    except (RecursionError, OverflowError):
        return None  # NaN and Infinity are no JSON; inside data they are accepted
    except ValueError as error:
        return None if "digits" in str(error) else (requests.INVALID_FORMAT, None)
    try:
        json.dumps(frame, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return requests.INVALID_FORMAT, None
    if _depth(text) > 150:
        return None
    if isinstance(frame, dict) and (
        not isinstance(frame.get("success"), bool | None) or isinstance(frame.get("id"), int | float)
    ):
        return None  # some of these are accepted; tests/realtime/wire has them
    if not isinstance(frame, dict) or not (
        frame.get("method") in list(WSMethod)
        and isinstance(frame.get("data"), dict | list | str | None)
        and isinstance(frame.get("channel"), str | None)
        and isinstance(frame.get("error"), str | None)
        and (frame.get("id") is None or _is_id(frame["id"]))
    ):
        return requests.INVALID_FORMAT, None
    method, id, data = frame["method"], frame.get("id"), frame.get("data")
    if method not in (*IDS, "unsubscribe", "heartbeat", "error"):
        return requests.NOT_PROCESSED, id
    if method in ("heartbeat", "error"):
        return None
    if not data and method != "subscribe_notifications":
        return requests.DATA_MISSING, id
    data = data or {}
    if not isinstance(data, dict):
        return requests.INVALID_DATA, id
    if method == "unsubscribe":
        wanted = IDS["subscribe_graph_execution"], IDS["subscribe_graph_executions"], IDS["subscribe_stream"]
        is_right = any(all(_is_id(data.get(name)) for name in names) for names in wanted)
    else:
        is_right = all(_is_id(data.get(name)) for name in IDS[method]) and _are_options(data)
    return None if is_right else (requests.INVALID_DATA, id)


def _depth(text: str) -> int:
    return text.count("[") + text.count("{")


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= limits.MAX_ID_LENGTH and "\0" not in value


def _are_options(data: dict[str, Any]) -> bool:
    after, limit = data.get("after"), data.get("limit")
    return (
        (after is None or (type(after) is int and 0 <= after < 2**63))
        and isinstance(data.get("epoch"), str | None)
        and ("replay" not in data or data["replay"] in ("all", "latest", "none", None))
        and (limit is None or (type(limit) is int and 1 <= limit <= limits.MAX_SNAPSHOT_LIMIT))
    )


@SHORT
@given(frames)
def test_a_frame_of_a_client_is_a_request_or_has_the_error_that_the_protocol_names(text: str) -> None:
    with at_most_calls(200 + len(text)):
        first = outcome(text)
    assert outcome(text) == first
    said = expected(text)
    if isinstance(first, Request):
        assert said is None
        frame = json.loads(text)
        assert (frame["method"], frame.get("id")) == (first.method, first.id)
        if first.data is not None and first.method != WSMethod.UNSUBSCRIBE:
            kept = first.data.model_dump(exclude_unset=True)
            assert kept == {name: value for name, value in (frame.get("data") or {}).items() if name in kept}
        return
    if said == (requests.INVALID_FORMAT, None):
        assert first[0] == requests.INVALID_FORMAT  # with the id, if it could be read
        return
    assert said in (None, first)
    reason, id = first
    answer = error_frame(reason, id=id)
    assert json.loads(answer)["error"] == reason
    assert len(answer.encode()) < 500 + 6 * limits.MAX_ID_LENGTH
