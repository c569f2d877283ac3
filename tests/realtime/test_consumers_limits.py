"""The limits for the messages of a socket, under a server that does not count them, and for the sockets of a user."""

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from tests.realtime.clients import HandshakeRefused
from tests.realtime.conftest import ConnectClient, Counted

pytestmark = pytest.mark.django_db(transaction=True)


async def test_under_another_server_a_flooding_socket_is_told_why_and_closed(
    live_client: ConnectClient, user: User, settings: Settings, counted: Counted
) -> None:
    settings.REALTIME = {"MESSAGE_BURST": 3, "MESSAGE_RATE": 0.001}
    client = await live_client(user)
    for _ in range(3):
        await client.ping()
    for _ in range(5):
        await client.send("heartbeat", "ping")
    assert (await client.frame())["error"] == "Too many messages; come back later"
    assert await client.close_code() == 4008
    assert counted["floods"] == 1


async def test_a_user_with_too_many_sockets_is_refused_and_another_user_is_not(
    live_client: ConnectClient, user: User, other_user: User, settings: Settings, counted: Counted
) -> None:
    settings.REALTIME = {"MAX_USER_CONNECTIONS": 2}
    first, _ = await live_client(user), await live_client(user)
    with pytest.raises(HandshakeRefused, match="403"):
        await live_client(user)
    third = await live_client(user, path="/ws?refusal=frame")
    assert (await third.frame())["error"] == "Too many connections of this user; come back later"
    assert await third.close_code() == 4008
    assert counted["refused_user"] == 2
    await (await live_client(other_user)).ping()
    await first.disconnect()
    await (await live_client(user)).ping()
