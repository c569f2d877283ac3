"""The limits for the messages of a socket, under a server that does not count them, and for the sockets of a user."""

import logging

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


async def test_errors_that_a_client_reports_are_logged_in_one_line_each_and_not_without_end(
    live_client: ConnectClient, user: User, settings: Settings, counted: Counted, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REALTIME = {"CLIENT_ERROR_BURST": 3, "CLIENT_ERROR_RATE": 0.001}
    caplog.set_level(logging.INFO, "realtime.consumers")
    client, other = await live_client(user), await live_client(user)
    for number in range(8):
        await client.send_text(f'{{"method":"error",\r\n"error":"{number} \u2028{"x" * 60_000}"}}')
    await client.ping()
    lines = [record.getMessage() for record in caplog.records if "reports an error" in record.getMessage()]
    assert len(lines) == 3
    assert all(line.isprintable() and len(line) < 600 for line in lines)
    assert (counted["client_errors"], counted["client_errors_dropped"]) == (3, 5)
    await other.send("error", None)
    await other.ping()
    assert counted["client_errors"] == 4
