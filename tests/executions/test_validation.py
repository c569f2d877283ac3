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
    ("links", "said"),
    [
        ([{}], "links[0].sink: it is missing"),
        ([{"sink": "a", "color": 1}], "links[0].color: there is no such field"),
        ([{"sink": "a"}, {"sink": "x"}], 'links[1].sink: there is no node "x"'),
        (["a"], "links[0]: it should be an object with fields"),
    ],
)
def test_an_error_is_a_sentence_with_its_path_first(links: object, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Links.model_validate({"links": links})
    assert sentences(caught.value) == [said]


def test_each_error_is_a_sentence_of_its_own() -> None:
    with pytest.raises(ValidationError) as caught:
        Links.model_validate({"links": [{}, {"sink": "a", "weight": "heavy"}]})
    assert [said.split(":")[0] for said in sentences(caught.value)] == ["links[0].sink", "links[1].weight"]


def test_a_path_is_written_as_people_write_it() -> None:
    assert path(("links", 2, "sink_id")) == "links[2].sink_id"
    assert path((0, "a")) == "[0].a"
    assert path(()) == ""
