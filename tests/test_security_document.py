"""SECURITY.md: each defence names a file or a test that exists."""

import re

import pytest

from tests.test_layout import ROOT

pytestmark = pytest.mark.once


def test_each_defence_is_shown_by_a_file_that_exists() -> None:
    rows = re.findall(r"^\| (?!---|threat)(.+) \|$", (ROOT / "SECURITY.md").read_text(), re.MULTILINE)
    table = [row.split(" | ") for row in rows if "---" not in row]
    assert len(table) > 10
    for threat, _, shown_by in table:
        files = re.findall(r"`([^`]+)`", shown_by)
        assert files, threat
        assert [each for each in files if not (ROOT / each).exists()] == [], threat
