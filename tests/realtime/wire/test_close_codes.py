"""The close codes are those of docs/protocol.md."""

import re
from pathlib import Path

import pytest

from realtime.wire.close_codes import (
    AFTER_OTHER_CODES,
    CLOSE_REASONS,
    INTERNAL_ERROR,
    POLICY_VIOLATION,
    SERVICE_RESTART,
    CloseCode,
)
from realtime.wire.frames import LAST_FRAMES

pytestmark = pytest.mark.once

PROTOCOL = (Path(__file__).resolve().parents[3] / "docs" / "protocol.md").read_text()


def test_refused_credentials_have_the_codes_of_the_base_protocol() -> None:
    assert (CloseCode.NO_CREDENTIALS, CloseCode.UNKNOWN_USER, CloseCode.BAD_TOKEN) == (4001, 4002, 4003)


def test_every_code_is_documented() -> None:
    assert {int(code) for code in CloseCode} <= {int(code) for code in re.findall(r"\b4\d{3}\b", PROTOCOL)}


def test_an_application_may_close_with_each_code_under_daphne() -> None:
    assert all(3000 <= code < 5000 for code in CloseCode)


def test_the_table_has_every_code_that_is_sent() -> None:
    assert CLOSE_REASONS.keys() >= {*CloseCode, *LAST_FRAMES, POLICY_VIOLATION, INTERNAL_ERROR, SERVICE_RESTART}


def test_the_table_in_the_documentation_is_the_same() -> None:
    section = PROTOCOL.split("\n### Closing\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\d{4}|any other) \| (.*?) ?\| (.+?) \|$", section, re.M)
    others = [reconnect for code, _, reconnect in rows if code == "any other"]
    assert others == [AFTER_OTHER_CODES]
    documented = {int(code): (meaning, reconnect) for code, meaning, reconnect in rows if code != "any other"}
    assert {code: reconnect for code, (_, reconnect) in documented.items()} == {
        code: reason.reconnect for code, reason in CLOSE_REASONS.items()
    }
    for code, reason in CLOSE_REASONS.items():
        assert documented[code][0].startswith(reason.meaning), code
