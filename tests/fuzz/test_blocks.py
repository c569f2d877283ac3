"""The blocks that read text: outputs that can be stored, or a BlockError, and no more work than the text is long."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executions.blocks.registry import BlockError, find_block
from tests.fuzz.inputs import json_values, near, repeated, texts
from tests.fuzz.oracles import LONG_REPR, SHORT, at_most_calls

pytestmark = [pytest.mark.once, LONG_REPR]

SIGNS = [
    *(
        ".",
        "!",
        "?",
        "…",
        "。",
        '"',
        "”",
        ")",
        " ",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        "\t",
        "\0",
        "’",
        "-",
        "_",
        "1",
        "a",
        "A",
    ),
    *("Mr.", "e.g.", "i", "the ", "word ", "Ünï ", "漢字", "\u0300", "ß", "İ", "# ", "| a |", "|---|", "```", "> "),
]
CELLS = [
    *(",", ";", "\t", "|", '"', '""', "\n", "\r", "\r\n", "\0", " ", "-", "+", "1", "0.5", "1e308", "-1E-300", "nan"),
    *("n/a", "true", "no", "2020-01-01", "2020-01-01T10:00", "a", "B", "\ufeff", "١", "9" * 400, "a,b\n", "1,2\n"),
]
prose = st.one_of(texts, st.lists(st.sampled_from(SIGNS), max_size=60).map("".join), repeated(SIGNS))
tables = st.one_of(texts, st.lists(st.sampled_from(CELLS), max_size=60).map("".join), repeated(CELLS))


def outputs(block_id: str, calls: float, **data: Any) -> dict[str, list[Any]] | None:
    """What the block puts out, or None if it refuses its input."""
    block = find_block(block_id)
    assert block
    length = len(json.dumps(data))
    try:
        with at_most_calls(5_000 + calls * length):
            found = block.run(data)
    except BlockError as error:
        assert 0 < len(str(error)) < 20_000
        return None
    text = json.dumps(found, allow_nan=False)
    assert len(text) < 100_000 + 30 * length
    assert block.run(data) == found
    return json.loads(text)  # type: ignore[no-any-return]


@SHORT
@given(prose)
def test_a_text_becomes_prose_sentences_words_and_figures(text: str) -> None:
    found = outputs("text.prose", 600, text=text)
    for each in (text, *(found["text"] if found else ())):
        split = outputs("text.sentences", 50, text=each)
        counted = outputs("text.words", 50, text=each)
        if split:
            rest = "".join(each.split())
            for sentence in split["sentences"]:  # in the order of the text
                _, found_it, rest = rest.partition("".join(sentence.split()))
                assert found_it, sentence
            assert split["count"] == [len(split["sentences"])]
        if split and counted:
            outputs("insight.readability", 100, sentences=split["sentences"])
            outputs("insight.key_sentences", 200, sentences=split["sentences"], frequencies=counted["frequencies"])


@SHORT
@given(tables)
def test_a_table_is_read_and_what_is_written_is_read_again(text: str) -> None:
    found = outputs("csv.table", 100, csv=text)
    if not found:
        return
    table = found["table"][0]
    again = outputs("csv.table", 100, csv=table)
    if again and found["has_header"] == again["has_header"] and again["delimiter"] == [","]:
        assert again["table"] == found["table"]
    typed = outputs("csv.types", 300, table=table)
    assert typed
    columns = typed["columns"]
    outputs("csv.statistics", 600, table=table, columns=columns)
    outputs("csv.correlations", 6_000, table=table, columns=columns)


INPUTS: dict[str, Any] = {
    "text.words": {"text": "One. Two.", "most": 5},
    "insight.readability": {"sentences": ["One.", "Two."]},
    "insight.key_sentences": {"sentences": ["One.", "Two."], "frequencies": [{"word": "one", "count": 1}]},
    "csv.types": {"table": "a,b\n1,2\n"},
    "csv.correlations": {
        "table": "a,b\n1,2\n3,4\n",
        "columns": [{"name": name, "type": "integer", "count": 2, "missing": 0, "distinct": 2} for name in "ab"],
    },
}


@SHORT
@given(st.sampled_from(sorted(INPUTS)).flatmap(lambda id: st.tuples(st.just(id), near(INPUTS[id]) | json_values)))
def test_a_block_refuses_what_is_not_its_input(case: tuple[str, Any]) -> None:
    block_id, data = case
    if isinstance(data, dict) and all(isinstance(name, str) for name in data):
        outputs(block_id, 6_000, **data)
