"""Pydantic's errors as sentences."""

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from executions.validation import path, sentences


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
