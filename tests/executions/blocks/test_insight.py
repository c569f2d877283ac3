"""Readability, key sentences and the report of a text."""

import pytest

from executions.blocks import insight, markdown
from tests.executions.blocks.running import run

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("word", "count"),
    [("cat", 1), ("table", 2), ("make", 1), ("makes", 1), ("wanted", 2), ("jumped", 1), ("boxes", 2), ("hmm", 1)],
)
def test_syllables_are_groups_of_spoken_vowels(word: str, count: int) -> None:
    assert insight.count_syllables(word) == count


def test_readability_follows_the_formulas() -> None:
    found = run("insight.readability", sentences=["The cat sat on the mat.", "The table wanted a cat."])

    words, syllables = 11, 13
    assert found["reading_ease"] == [round(206.835 - 1.015 * words / 2 - 84.6 * syllables / words, 1)]
    assert found["grade"] == [round(0.39 * words / 2 + 11.8 * syllables / words - 15.59, 1)]
    assert found["level"] == ["very easy"]


def test_key_sentences_have_frequent_words_without_repetition() -> None:
    sentences = [
        "A long day ended with a longer night.",
        "The whale sank the ship near the island.",
        "Near the island the whale sank the ship.",
        "Sailors told stories in the harbour tavern.",
    ]
    frequencies = run("text.words", text=" ".join(sentences))["frequencies"]

    found = run("insight.key_sentences", sentences=sentences, frequencies=frequencies, most=2)

    assert found == {"sentences": [sentences[0], sentences[1]], "positions": [1, 2]}


def test_a_text_of_short_sentences_has_key_sentences() -> None:
    assert run("insight.key_sentences", sentences=["Yes.", "No."], frequencies=[])["positions"] == [1, 2]


def test_the_report_escapes_its_quotations() -> None:
    report = run(
        "insight.report",
        title="# <script>",
        sentence_count=1,
        word_count=500,
        distinct_count=5,
        frequencies=[{"word": "_sea_", "count": 2}],
        reading_ease=61.25,
        grade=7.0,
        level="plain English",
        key_sentences=["1. [Click](javascript:alert(1)) <b>now</b>", "x" * 5_000],
    )["report"][0]

    assert report.startswith("# \\# \\<script\\>\n")
    assert "about 2 min of reading" in report
    assert "1. 1\\. \\[Click\\](javascript:alert(1)) \\<b\\>now\\</b\\>\n" in report
    assert f"2. {'x' * markdown.MAX_LINE} …\n" in report
    assert "- \\_sea\\_: 2\n" in report
