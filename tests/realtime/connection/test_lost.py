"""Which exceptions say that a connection is gone, and how a failed socket is closed."""

from typing import Any

import pytest
from autobahn.exception import Disconnected

from realtime.connection.lost import close_failed, is_connection_lost

LOST = {
    "of the system": BrokenPipeError(),
    "of the ASGI specification": type("ClientDisconnected", (OSError,), {})(),
    "of uvicorn after the end": RuntimeError(
        "Unexpected ASGI message 'websocket.send', after sending 'websocket.close'."
    ),
    "of autobahn": Disconnected(),
}


@pytest.mark.parametrize("error", LOST.values(), ids=LOST)
def test_each_server_has_its_exception_for_a_lost_connection(error: Exception) -> None:
    assert is_connection_lost(error)


@pytest.mark.parametrize(
    "error", [RuntimeError("of a middleware"), ValueError(), KeyError("websocket.close")], ids=repr
)
def test_any_other_exception_is_a_defect(error: Exception) -> None:
    assert not is_connection_lost(error)


async def test_a_failed_socket_is_closed_with_1011() -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await close_failed(send, ValueError())
    assert sent == [{"type": "websocket.close", "code": 1011}]


async def test_if_the_server_refuses_the_code_the_error_is_raised() -> None:
    async def send_as_daphne(message: dict[str, Any]) -> None:
        raise Exception("invalid close code 1011 (must be 1000 or from [3000, 4999])")

    with pytest.raises(ValueError, match="the first"):
        await close_failed(send_as_daphne, ValueError("the first"))


async def test_a_connection_that_is_lost_meanwhile_needs_no_code() -> None:
    async def send(message: dict[str, Any]) -> None:
        raise BrokenPipeError

    await close_failed(send, ValueError())
