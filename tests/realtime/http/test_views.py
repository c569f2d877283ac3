"""The status page for staff."""

import json
import os
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.serializers.json import DjangoJSONEncoder
from django.test import Client
from django.urls import reverse

from realtime.housekeeping import run_due
from realtime.housekeeping.claims import report
from realtime.housekeeping.jobs import all_jobs
from realtime.metrics import count, counts
from realtime.metrics.definitions import help_of
from tests.database import in_db
from tests.realtime.conftest import ConnectClient

pytestmark = pytest.mark.django_db(transaction=True)


def status(user: User) -> dict[str, Any]:
    client = Client()
    client.force_login(user)
    response = client.get(reverse("realtime-status"))
    assert response.status_code == 200
    figures = response.json()
    assert isinstance(figures, dict)
    return figures


@pytest.fixture
def staff(transactional_db: None) -> User:
    return User.objects.create(username="staff", is_staff=True)


def test_only_staff_may_read_the_status(client: Client, user: User) -> None:
    assert client.get(reverse("realtime-status")).status_code == 302
    client.force_login(user)
    assert client.get(reverse("realtime-status")).status_code == 302


def test_the_status_of_a_process_without_sockets(staff: User) -> None:
    count("errors")
    assert status(staff) == {
        "process": os.getpid(),
        "sockets": 0,
        "streams": 0,
        "subscriptions": 0,
        "server": None,
        "counts": counts(),
        "meanings": {name: help_of(name) for name in counts()},
        "housekeeping": {
            "runs_in": "server",
            "jobs": json.loads(json.dumps(report(all_jobs()), cls=DjangoJSONEncoder)),
        },
    }


def test_the_status_shows_the_jobs_of_the_housekeeping(staff: User) -> None:
    run_due()
    jobs = {each["job"]: each for each in status(staff)["housekeeping"]["jobs"]}
    assert set(jobs) == set(all_jobs())
    assert jobs["old_events"]["last_run"]
    assert jobs["old_events"]["next"] > jobs["old_events"]["last_run"]
    assert [each for each in jobs.values() if each["late"] or each["error"] or each["holder"]] == []


async def test_sockets_streams_and_subscriptions_are_counted(
    live_client: ConnectClient, staff: User, user: User
) -> None:
    await live_client(user)
    await live_client(user)
    await live_client(staff)
    figures = await in_db(status)(staff)
    assert (figures["sockets"], figures["streams"], figures["subscriptions"]) == (3, 2, 3)
