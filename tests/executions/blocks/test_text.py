"""The prose, sentences and words of a text."""

from contextlib import suppress

import pytest

from executions.blocks import text
from executions.blocks.registry import BlockError
from tests.executions.blocks.running import error_of, run

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


def test_a_long_text_is_refused_with_its_size() -> None:
    assert error_of("text.prose", text="é" * 150_000) == "text: it is 293 KB long; 256 KB are the most."
    assert run("text.prose", text="e" * text.MAX_TEXT_BYTES)


@pytest.mark.parametrize("empty", ["", " \n\t"])
def test_an_empty_text_is_an_error(empty: str) -> None:
    assert error_of("text.prose", text=empty) == "The text is empty."


def test_a_text_with_only_headings_and_code_is_an_error() -> None:
    assert error_of("text.prose", text="# Title\n\n```\ncode\n```\n\n---\n") == (
        "There is no running text in it: only headings, code, tables or signs."
    )


def test_prose_is_only_the_running_text() -> None:
    (found,) = run("text.prose", text=TEXT)["text"]

    assert found.split("\n\n") == [
        "The sea is deep. Sailors love the sea, and the sea loves sailors! "
        'Dr. Ahab said: "Is it the whale?" He met J. R. Starbuck at 3.14 p.m. in the harbour.',
        "the sea was angry that day",
        "A whale is not a fish.",
        "The captain saw the whale.",
    ]


def test_a_text_is_split_into_sentences() -> None:
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


def test_sentences_in_other_scripts_are_split() -> None:
    assert run("text.sentences", text="我是学生。你呢？ … *** Fin… Et après ?")["sentences"] == [
        "我是学生。",
        "你呢？",
        "*** Fin…",
        "Et après ?",
    ]


def test_words_are_counted_and_stop_words_are_not_ranked() -> None:
    found = run("text.words", text="The whale and the sea. The SEA, the sailor's sea! It’s 42 a-ha x", most=3)

    assert found["frequencies"] == [
        {"word": "sea", "count": 3},
        {"word": "a-ha", "count": 1},
        {"word": "sailor's", "count": 1},
    ]
    assert found["count"] == [13]
    assert found["distinct"] == [8]


@pytest.mark.parametrize("hostile", ["[" * 50_000, "> " * 50_000, "`" * 50_000, "a. " * 30_000, "<" * 50_000])
def test_hostile_markdown_is_parsed_in_time(hostile: str) -> None:
    with suppress(BlockError):
        assert run("text.prose", text=hostile)["text"]
