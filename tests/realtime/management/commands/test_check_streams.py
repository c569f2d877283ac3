"""`manage.py check_streams`, also as a real process."""

import os
import subprocess
import sys
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from realtime.models import StreamEvent
from realtime.publish import publish
from tests.conftest import address_of_test_database
from tests.servers.process import ROOT

pytestmark = pytest.mark.django_db(transaction=True)

KEY, OTHER = "u1|orders#7", "u1|letters#1"
WHAT, CURE = f"{KEY}: 1 of its events 1 to 3 are missing. What to do: ", f"`manage.py new_epochs '{KEY}'`.\n"


@pytest.fixture(autouse=True)
def events() -> None:
    for key in (KEY, OTHER):
        for _ in range(3):
            publish(key, "changed", "a", {})


def test_a_good_log_is_reported() -> None:
    out = StringIO()
    call_command("check_streams", stdout=out)
    assert out.getvalue() == "2 streams are as they should be.\n"


def test_a_fault_is_reported_with_its_stream_and_its_cure() -> None:
    StreamEvent.objects.filter(stream__key=KEY, seq=2).delete()
    out = StringIO()
    with pytest.raises(CommandError, match="1 faults in 2 streams"):
        call_command("check_streams", stdout=out)
    assert out.getvalue().startswith(WHAT)
    assert out.getvalue().endswith(CURE)


def test_only_the_given_streams_are_checked() -> None:
    StreamEvent.objects.filter(stream__key=KEY, seq=2).delete()
    out = StringIO()
    call_command("check_streams", OTHER, stdout=out)
    assert out.getvalue() == "1 streams are as they should be.\n"


def test_an_unknown_stream_is_an_error() -> None:
    with pytest.raises(CommandError, match=r"There is no stream u9\|notifications."):
        call_command("check_streams", KEY, "u9|notifications")


@pytest.mark.parametrize("is_damaged", [False, True])
def test_the_exit_code_says_whether_something_is_wrong(is_damaged: bool) -> None:
    if is_damaged:
        StreamEvent.objects.filter(stream__key=KEY, seq=2).delete()
    done = subprocess.run(
        [sys.executable, "manage.py", "check_streams"],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": address_of_test_database()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == is_damaged
    assert done.stdout.startswith(WHAT if is_damaged else "2 streams are as they should be.")
