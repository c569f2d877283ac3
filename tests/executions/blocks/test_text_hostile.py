"""Hostile texts of the greatest length, in a real block process with the time and memory that a node has.

In quadratic time, each of them takes many times as long as a node may.
"""

from collections.abc import Iterator

import pytest

from executions.blocks.text import MAX_TEXT_BYTES
from executions.conf import DEFAULTS
from executions.runner.block_process import BlockProcess, Outcome

pytestmark = pytest.mark.once


@pytest.fixture(scope="module")
def process() -> Iterator[BlockProcess]:
    process = BlockProcess((), start_timeout=60, memory=DEFAULTS.BLOCK_MEMORY)
    yield process
    process.kill()


def outcome_of(process: BlockProcess, block_id: str, piece: str, end: str = "x") -> Outcome:
    count = (MAX_TEXT_BYTES - len(end.encode())) // len(piece.encode())
    return process.run(block_id, {"text": piece * count + end}, DEFAULTS.NODE_TIMEOUT)


@pytest.mark.parametrize(
    "piece", [".", "…", ".\"'", '."x', "!?)", "a. ", "。", "。」", "J. ", "Dr. a", "\n\na.", "a-", "'"]
)
@pytest.mark.parametrize("block_id", ["text.sentences", "text.words", "text.prose"])
def test_signs_without_an_end_are_read_in_time(process: BlockProcess, block_id: str, piece: str) -> None:
    outcome = outcome_of(process, block_id, piece)
    assert outcome.error is None
    assert process.is_alive


@pytest.mark.parametrize(
    "piece", ["[", "![", "*a_ ", "`a``b", "> - ", "- a\n", "[a](", "[a\n", "&#", "\\", "<a ", "# a\n"]
)
def test_markdown_without_an_end_is_read_in_time(process: BlockProcess, piece: str) -> None:
    outcome = outcome_of(process, "text.prose", piece, end=" x")
    assert "longer than" not in (outcome.error or "")
    assert process.is_alive


WIDE = "|a" * 400 + "|\n" + "|-" * 400 + "|\n" + "|\n" * 160


def test_wide_tables_are_refused_before_they_are_parsed(process: BlockProcess) -> None:
    outcome = outcome_of(process, "text.prose", WIDE + "\n")
    assert (outcome.error or "").startswith("The text cannot be read as Markdown: it has tables of up to ")
    assert process.is_alive


@pytest.mark.parametrize("block_id", ["insight.readability", "insight.key_sentences"])
@pytest.mark.parametrize("sentence", ["a" * 250_000, "e" * 250_000, "ab-" * 80_000 + "c", "a " * 125_000])
def test_long_words_and_sentences_are_measured_in_time(process: BlockProcess, block_id: str, sentence: str) -> None:
    data = {"sentences": [sentence]}
    if block_id == "insight.key_sentences":
        data["frequencies"] = [{"word": "a", "count": 1}]  # type: ignore[list-item]
    assert process.run(block_id, data, DEFAULTS.NODE_TIMEOUT).error is None
