"""Asks for the stream of a subscribe: `key` returns its key, `refusal` the text of the error."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync

from realtime.auth.stream_access import stream_key
from realtime.wire.methods import WSMethod
from realtime.wire.requests import (
    BadRequest,
    Request,
    Subscribe,
    SubscribeGraphExec,
    SubscribeGraphExecs,
    SubscribeNotifications,
    SubscribeStream,
)

METHODS = {
    SubscribeGraphExec: WSMethod.SUBSCRIBE_GRAPH_EXEC,
    SubscribeGraphExecs: WSMethod.SUBSCRIBE_GRAPH_EXECS,
    SubscribeStream: WSMethod.SUBSCRIBE_STREAM,
    SubscribeNotifications: WSMethod.SUBSCRIBE_NOTIFICATIONS,
}


def key(user: Any, data: Subscribe) -> str:
    return async_to_sync(stream_key)(user, Request(METHODS[type(data)], "7", data))


def refusal(user: Any, data: Subscribe) -> str:
    with pytest.raises(BadRequest) as refused:
        key(user, data)
    assert refused.value.id == "7"
    return str(refused.value)
