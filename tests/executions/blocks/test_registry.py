"""How blocks are registered, listed and validated."""

import subprocess
import sys
from typing import Any

import pytest

from executions.blocks import registry
from executions.blocks.registry import BlockInput, Outputs, all_blocks, block, find_block
from tests.executions.blocks.running import error_of

pytestmark = pytest.mark.once


def test_every_block_is_listed_with_its_fields() -> None:
    known = {each.id: each for each in all_blocks()}

    assert {"text.prose", "text.sentences", "text.words"} <= known.keys()
    assert {"insight.readability", "insight.key_sentences", "insight.report"} <= known.keys()
    assert all(each.title and each.description for each in known.values())
    most = known["text.words"].fields["most"]
    assert (most.title, most.is_required, most.default, most.takes_list) == ("Most", False, 100, False)
    assert known["insight.readability"].fields["sentences"].takes_list


def test_an_unknown_block_is_none() -> None:
    assert find_block("no.such.block") is None


def test_a_block_takes_one_block_input() -> None:
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


def test_invalid_input_is_an_error_in_sentences() -> None:
    assert error_of("text.prose") == "text: it is missing"
    assert error_of("text.prose", text=3) == "text: input should be a valid string"
    assert error_of("text.prose", text="x", colour=1) == "colour: there is no such field"
    assert error_of("text.words", text="x", most=0) == "most: input should be greater than or equal to 1"
    assert error_of("insight.key_sentences", sentences=["A."], frequencies=[{"word": "a"}]) == (
        "frequencies[0].count: it is missing"
    )


def test_a_block_must_return_lists() -> None:
    registry.load(["tests.executions.sample_blocks"])

    for value in ("no dictionary", "no list"):
        assert error_of("test.return", value=value) == (
            'The block "test.return" must return a list for each name, and did not.'
        )
