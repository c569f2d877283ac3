"""The codes are those of the protocol, which clients know by number."""

import re
from pathlib import Path

from realtime.wire.close_codes import CloseCode

PROTOCOL = (Path(__file__).resolve().parents[3] / "docs" / "protocol.md").read_text()


def test_the_refusals_have_the_numbers_that_clients_know() -> None:
    assert (CloseCode.NO_CREDENTIALS, CloseCode.UNKNOWN_USER, CloseCode.BAD_TOKEN) == (4001, 4002, 4003)


def test_every_code_is_documented() -> None:
    assert {int(code) for code in CloseCode} <= {int(code) for code in re.findall(r"\b4\d{3}\b", PROTOCOL)}


def test_daphne_lets_an_application_close_with_each() -> None:
    assert all(3000 <= code < 5000 for code in CloseCode)
