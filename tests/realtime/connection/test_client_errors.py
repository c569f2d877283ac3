"""The errors that clients report, in the log of the process."""

import logging

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from tests.realtime.conftest import ConnectClient, Counted

pytestmark = pytest.mark.django_db(transaction=True)


async def test_errors_that_a_client_reports_are_logged_in_one_line_each_and_not_without_end(
    live_client: ConnectClient, user: User, settings: Settings, counted: Counted, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REALTIME = {"CLIENT_ERROR_BURST": 3, "CLIENT_ERROR_RATE": 0.001}
    caplog.set_level(logging.INFO, "realtime.connection.client_errors")
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
