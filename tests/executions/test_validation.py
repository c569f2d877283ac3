"""Pydantic's errors as sentences."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from executions.validation import MAX_ERRORS, StrictModel, path, sentences


class Link(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sink: str
    weight: int = 1

    @field_validator("sink")
    @classmethod
    def _exists(cls, sink: str) -> str:
        if sink == "x":
            raise ValueError('There is no node "x"')
        return sink


class Links(BaseModel):
    links: list[Link]


@pytest.mark.parametrize(
    ("links", "sentence"),
    [
        ([{}], "links[0].sink: it is missing"),
        ([{"sink": "a", "color": 1}], "links[0].color: there is no such field"),
        ([{"sink": "a"}, {"sink": "x"}], 'links[1].sink: there is no node "x"'),
        (["a"], "links[0]: it should be an object with fields"),
    ],
)
def test_an_error_is_a_sentence_that_starts_with_its_path(links: object, sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Links.model_validate({"links": links})
    assert sentences(caught.value) == [sentence]


def test_each_error_is_its_own_sentence() -> None:
    with pytest.raises(ValidationError) as caught:
        Links.model_validate({"links": [{}, {"sink": "a", "weight": "heavy"}]})
    assert [sentence.split(":")[0] for sentence in sentences(caught.value)] == ["links[0].sink", "links[1].weight"]


def test_a_path_is_written_with_dots_and_brackets() -> None:
    assert path(("links", 2, "sink_id")) == "links[2].sink_id"
    assert path((0, "a")) == "[0].a"
    assert path(()) == ""
    assert path(("a", "k" * 1_000_000)) == "a." + "k" * 100 + "…"
    assert len(path(("key of ten",) * 200)) == 501


def test_there_are_twenty_sentences_at_most_and_one_that_counts_the_others() -> None:
    with pytest.raises(ValidationError) as caught:
        Links.model_validate({"links": [{}] * 50})
    texts = sentences(caught.value)
    assert (len(texts), texts[19], texts[20]) == (MAX_ERRORS + 1, "links[19].sink: it is missing", "and 30 more")


class Strict(StrictModel):
    a: int = 0


def test_many_unknown_fields_are_one_error() -> None:
    with pytest.raises(ValidationError) as caught:
        Strict.model_validate({f"k{number}": 0 for number in range(90_000)})
    assert sentences(caught.value) == ["it has 90000 fields; there are only a"]
    with pytest.raises(ValidationError) as caught:
        Strict.model_validate({f"k{number}": 0 for number in range(MAX_ERRORS)})
    assert caught.value.error_count() == MAX_ERRORS


def test_a_message_that_repeats_the_input_is_cut() -> None:
    class Tagged(BaseModel):
        item: Annotated[A | B, Field(discriminator="type")]

    with pytest.raises(ValidationError) as caught:
        Tagged.model_validate({"item": {"type": "x" * 900_000}})
    (text,) = sentences(caught.value)
    assert len(text) < 600


class A(BaseModel):
    type: Literal["a"]


class B(BaseModel):
    type: Literal["b"]
