"""The log holds a notification with its id; a frame has the id beside the payload."""

import json

import pytest

from realtime.wire.notification import split_id, with_id

PAYLOAD = '{"type":"info","event":"hey"}'


@pytest.mark.parametrize("id", ["5e0cfb6e-1f4b-4c0c-9d8a-0d4f1f0b8e0f", "", 'a"b\\', "é\n}", "," * 300])
@pytest.mark.parametrize(
    "payload", [PAYLOAD, '{"type":"","event":"{\\"notification_id\\":\\"x\\",","notification_id":"y"}']
)
def test_the_id_and_the_payload_are_found_again(id: str, payload: str) -> None:
    data = with_id(id, payload)
    assert json.loads(data) == {"notification_id": id} | json.loads(payload)
    assert split_id(data) == (id, payload)


@pytest.mark.parametrize(
    "data",
    [
        PAYLOAD,
        '{"type":"notification_id","event":"x"}',
        '{"notification_id":7,"type":"info"}',
        "{}",
        "[]",
        "null",
        '"x"',
    ],
)
def test_data_without_an_id_stays_as_it_is(data: str) -> None:
    assert split_id(data) == (None, data)
