"""The blocks: how they are registered, and what the blocks of "Text insight" find in a text."""

import subprocess
import sys
from contextlib import suppress
from typing import Any

import pytest

from executions.blocks import insight, markdown, registry, text
from executions.blocks.registry import BlockError, BlockInput, Outputs, all_blocks, block, find_block

pytestmark = pytest.mark.once

TEXT = """# The sea

The sea is *deep*. Sailors love the sea, and the sea loves sailors!
Dr. Ahab said: "Is it the whale?" He met J. R. Starbuck at 3.14 p.m. in the harbour.

    the sea was angry that day

- A [whale](https://example.com/whale) is not a fish.
- The captain saw the whale.

```python
sea = Sea()
```

| sea | depth |
|-----|-------|
| Red | 3,040 |

![a badge](badge.svg)
"""


def run(block_id: str, **data: Any) -> Outputs:
    found = find_block(block_id)
    assert found
    return found.run(data)


def error_of(block_id: str, **data: Any) -> str:
    with pytest.raises(BlockError) as caught:
        run(block_id, **data)
    return str(caught.value)


def test_every_block_is_listed_with_what_a_form_needs() -> None:
    known = {each.id: each for each in all_blocks()}

    assert {"text.prose", "text.sentences", "text.words"} <= known.keys()
    assert {"insight.readability", "insight.key_sentences", "insight.report"} <= known.keys()
    assert all(each.title and each.description for each in known.values())
    most = known["text.words"].fields["most"]
    assert (most.title, most.is_required, most.default, most.takes_list) == ("Most", False, 100, False)
    assert known["insight.readability"].fields["sentences"].takes_list


def test_an_unknown_block_is_none() -> None:
    assert find_block("no.such.block") is None


def test_a_block_takes_one_checked_input() -> None:
    with pytest.raises(TypeError, match="must take one argument, annotated with a BlockInput"):

        @block("test.wrong", title="Wrong", description="")
        def wrong(data: dict[str, Any]) -> Outputs:  # type: ignore[type-var]
            return {}


def test_two_modules_cannot_register_the_same_block() -> None:
    class Nothing(BlockInput):
        pass

    def another(data: Nothing) -> Outputs:
        return {}

    with pytest.raises(ValueError, match=r'There is a block "text\.prose" already'):
        block("text.prose", title="Another", description="")(another)


def test_blocks_load_without_django() -> None:
    check = "import sys; from executions.blocks import registry; registry.load(); assert 'django' not in sys.modules"

    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_bad_input_is_told_in_sentences() -> None:
    assert error_of("text.prose") == "text: it is missing"
    assert error_of("text.prose", text=3) == "text: input should be a valid string"
    assert error_of("text.prose", text="x", colour=1) == "colour: there is no such field"
    assert error_of("text.words", text="x", most=0) == "most: input should be greater than or equal to 1"
    assert error_of("insight.key_sentences", sentences=["A."], frequencies=[{"word": "a"}]) == (
        "frequencies[0].count: it is missing"
    )


def test_a_text_that_is_too_long_is_refused_with_its_size() -> None:
    assert error_of("text.prose", text="é" * 150_000) == "text: it is 293 KB long; 256 KB are the most."
    assert run("text.prose", text="e" * text.MAX_TEXT_BYTES)


@pytest.mark.parametrize("empty", ["", " \n\t"])
def test_an_empty_text_is_an_error(empty: str) -> None:
    assert error_of("text.prose", text=empty) == "The text is empty."


def test_a_text_of_headings_and_code_only_is_an_error() -> None:
    assert error_of("text.prose", text="# Title\n\n```\ncode\n```\n\n---\n") == (
        "There is no running text in it: only headings, code, tables or signs."
    )


def test_prose_is_the_running_text_alone() -> None:
    (found,) = run("text.prose", text=TEXT)["text"]

    assert found.split("\n\n") == [
        "The sea is deep. Sailors love the sea, and the sea loves sailors! "
        'Dr. Ahab said: "Is it the whale?" He met J. R. Starbuck at 3.14 p.m. in the harbour.',
        "the sea was angry that day",
        "A whale is not a fish.",
        "The captain saw the whale.",
    ]


def test_sentences_end_where_they_end() -> None:
    (prose,) = run("text.prose", text=TEXT)["text"]

    found = run("text.sentences", text=prose)

    assert found["sentences"] == [
        "The sea is deep.",
        "Sailors love the sea, and the sea loves sailors!",
        'Dr. Ahab said: "Is it the whale?"',
        "He met J. R. Starbuck at 3.14 p.m. in the harbour.",
        "the sea was angry that day",
        "A whale is not a fish.",
        "The captain saw the whale.",
    ]
    assert found["count"] == [7]


def test_sentences_of_other_scripts_and_signs() -> None:
    assert run("text.sentences", text="我是学生。你呢？ … *** Fin… Et après ?")["sentences"] == [
        "我是学生。",
        "你呢？",
        "*** Fin…",
        "Et après ?",
    ]


def test_words_are_counted_and_ranked_without_stop_words() -> None:
    found = run("text.words", text="The whale and the sea. The SEA, the sailor's sea! It’s 42 a-ha x", most=3)

    assert found["frequencies"] == [
        {"word": "sea", "count": 3},
        {"word": "a-ha", "count": 1},
        {"word": "sailor's", "count": 1},
    ]
    assert found["count"] == [13]
    assert found["distinct"] == [8]


@pytest.mark.parametrize(
    ("word", "count"),
    [("cat", 1), ("table", 2), ("make", 1), ("makes", 1), ("wanted", 2), ("jumped", 1), ("boxes", 2), ("hmm", 1)],
)
def test_syllables_are_groups_of_vowels_that_are_spoken(word: str, count: int) -> None:
    assert insight.count_syllables(word) == count


def test_readability_follows_the_formulas() -> None:
    found = run("insight.readability", sentences=["The cat sat on the mat.", "The table wanted a cat."])

    words, syllables = 11, 13
    assert found["reading_ease"] == [round(206.835 - 1.015 * words / 2 - 84.6 * syllables / words, 1)]
    assert found["grade"] == [round(0.39 * words / 2 + 11.8 * syllables / words - 15.59, 1)]
    assert found["level"] == ["very easy"]


def test_key_sentences_say_what_is_frequent_and_not_the_same_twice() -> None:
    sentences = [
        "A long day ended with a longer night.",
        "The whale sank the ship near the island.",
        "Near the island the whale sank the ship.",
        "Sailors told stories in the harbour tavern.",
    ]
    frequencies = run("text.words", text=" ".join(sentences))["frequencies"]

    found = run("insight.key_sentences", sentences=sentences, frequencies=frequencies, most=2)

    assert found == {"sentences": [sentences[0], sentences[1]], "positions": [1, 2]}


def test_a_text_of_short_sentences_has_key_sentences_too() -> None:
    assert run("insight.key_sentences", sentences=["Yes.", "No."], frequencies=[])["positions"] == [1, 2]


def test_the_report_shows_what_it_quotes_as_it_is() -> None:
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


@pytest.mark.parametrize("hostile", ["[" * 50_000, "> " * 50_000, "`" * 50_000, "a. " * 30_000, "<" * 50_000])
def test_hostile_markdown_ends_in_time(hostile: str) -> None:
    with suppress(BlockError):
        assert run("text.prose", text=hostile)["text"]


def test_a_block_must_return_lists() -> None:
    registry.load(["tests.executions.sample_blocks"])

    for value in ("no dictionary", "no list"):
        assert error_of("test.return", value=value) == (
            'The block "test.return" must return a list for each name, and did not.'
        )
