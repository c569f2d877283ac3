"""The list of stop words has the form that `text.py` compares with."""

import pytest

from executions.blocks.stop_words import STOP_WORDS
from executions.blocks.text import WORD

pytestmark = pytest.mark.once


def test_each_stop_word_is_one_lower_case_word() -> None:
    assert [word for word in STOP_WORDS if not WORD.fullmatch(word) or word != word.casefold() or "’" in word] == []


def test_common_words_are_stop_words_and_nouns_are_not() -> None:
    assert {"the", "and", "it's"} <= STOP_WORDS
    assert not {"sea", "whale"} & STOP_WORDS
