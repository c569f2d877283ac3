"""Turns pydantic's errors into sentences for people: `links[2].sink_id: there is no node "x"`.

What people send decides how many errors there are and how long a key is. So a model refuses many unknown fields with
one error, a text has at most MAX_ERRORS sentences, and what a sentence quotes is cut.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

MAX_ERRORS: Final = 20  # sentences of one answer; who has mended these sends it again
MAX_QUOTED: Final = 100  # characters of a key or an id in a sentence
_MAX_PATH: Final = 500  # characters; a value may nest 200 levels deep
_MAX_MESSAGE: Final = 500

# Pydantic's own messages for these types speak of schemas. Its other messages are used as they are.
_PLAIN_MESSAGES = {
    "missing": "it is missing",
    "extra_forbidden": "there is no such field",
    "none_required": "it must be empty",
    "model_type": "it should be an object with fields",
}


class StrictModel(BaseModel):
    """A model that refuses unknown fields, and many of them with one error. Its lists must fail fast, too."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _refuse_many_fields(cls, data: Any) -> Any:
        # pydantic makes an error of each unknown field.
        if isinstance(data, dict) and len(data) > len(cls.model_fields) + MAX_ERRORS:
            raise PydanticCustomError(
                "too_many_fields",
                "it has {count} fields; there are only {known}",
                {"count": len(data), "known": ", ".join(cls.model_fields)},
            )
        return data


def sentences(error: ValidationError) -> list[str]:
    """A sentence for each error, in the order of the fields; at most MAX_ERRORS, and one for the rest. A sentence
    starts with the path."""
    errors = error.errors(include_url=False, include_input=False)
    return first([_sentence(each["loc"], plain_message(each)) for each in errors[:MAX_ERRORS]], len(errors))


def first(shown: Sequence[str], count: int) -> list[str]:
    """The first MAX_ERRORS of these sentences. If `count` is larger, another one says so."""
    shown = list(shown[:MAX_ERRORS])
    return [*shown, f"and {count - len(shown):,} more"] if count > len(shown) else shown


def quoted(text: str) -> str:
    """A text of unknown length, for a sentence."""
    return cut(text, MAX_QUOTED)


def cut(text: str, length: int) -> str:
    """The text, or its first `length` characters and an ellipsis."""
    return text if len(text) <= length else f"{text[:length]}…"


def path(location: tuple[int | str, ...]) -> str:
    """The location as text: `("links", 2, "sink_id")` becomes `links[2].sink_id`."""
    text = ""
    for part in location:
        name = part if isinstance(part, int) else quoted(part)
        text += f"[{name}]" if isinstance(part, int) else f".{name}" if text else str(name)
    return cut(text, _MAX_PATH)


def plain_message(error: Mapping[str, Any]) -> str:
    """The message of one error of pydantic's `errors()`, in plain words."""
    if error["type"] == "too_long":
        return f"it has too many items; {error['ctx']['max_length']} are the most"
    message: str = _PLAIN_MESSAGES.get(error["type"], error["msg"])
    return cut(message.removeprefix("Value error, "), _MAX_MESSAGE)  # some messages repeat the input


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    where = path(location)
    return f"{where}: {message[:1].lower()}{message[1:]}" if where else message
