"""The codes are those of the protocol, which clients know by number."""

import re
from pathlib import Path

from realtime.wire.close_codes import ANY_OTHER, CLOSINGS, INTERNAL_ERROR, POLICY_VIOLATION, SERVICE_RESTART, CloseCode
from realtime.wire.frames import LAST_FRAMES

PROTOCOL = (Path(__file__).resolve().parents[3] / "docs" / "protocol.md").read_text()


def test_the_refusals_have_the_numbers_that_clients_know() -> None:
    assert (CloseCode.NO_CREDENTIALS, CloseCode.UNKNOWN_USER, CloseCode.BAD_TOKEN) == (4001, 4002, 4003)


def test_every_code_is_documented() -> None:
    assert {int(code) for code in CloseCode} <= {int(code) for code in re.findall(r"\b4\d{3}\b", PROTOCOL)}


def test_daphne_lets_an_application_close_with_each() -> None:
    assert all(3000 <= code < 5000 for code in CloseCode)


def test_the_table_has_every_code_that_is_sent() -> None:
    assert CLOSINGS.keys() >= {*CloseCode, *LAST_FRAMES, POLICY_VIOLATION, INTERNAL_ERROR, SERVICE_RESTART}


def test_the_manuals_table_is_this_one() -> None:
    section = PROTOCOL.split("\n### Closing\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\d{4}|any other) \| (.*?) ?\| (.+?) \|$", section, re.M)
    others = [comes_back for code, _, comes_back in rows if code == "any other"]
    assert others == [ANY_OTHER]
    documented = {int(code): (meaning, comes_back) for code, meaning, comes_back in rows if code != "any other"}
    assert {code: comes_back for code, (_, comes_back) in documented.items()} == {
        code: closing.comes_back for code, closing in CLOSINGS.items()
    }
    for code, closing in CLOSINGS.items():
        assert documented[code][0].startswith(closing.meaning), code
