"""The WebSocket routes."""

import pytest

from tests.realtime.clients import HandshakeRefused, InProcess


@pytest.mark.parametrize("path", ["/ws", "/ws/"])
async def test_sockets_are_served_at_ws_with_and_without_a_slash(path, live_client, user):
    await (await live_client(user, path)).ping()


@pytest.mark.parametrize("path", ["/", "/ws/x", "/wss", "/xws", "/ws//"])
async def test_the_handshake_of_any_other_path_is_refused(path):
    client = InProcess(path)
    with pytest.raises(HandshakeRefused):
        await client.connect()
    await client.disconnect()
