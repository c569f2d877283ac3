"""Pydantic's errors as sentences that a person reads: `links[2].sink_id: there is no node "x"`. Pure."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

# What pydantic says of these speaks of schemas; the others it says well enough.
_IN_PLAIN_WORDS = {
    "missing": "it is missing",
    "extra_forbidden": "there is no such field",
    "none_required": "it must be empty",
    "model_type": "it should be an object with fields",
}


def sentences(error: ValidationError) -> list[str]:
    """One sentence for each thing that is wrong, in the order of the fields, with the path first."""
    return [
        _sentence(each["loc"], plain_message(each))
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def path(location: tuple[int | str, ...]) -> str:
    """How people write where something is: `("links", 2, "sink_id")` is `links[2].sink_id`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def plain_message(error: Mapping[str, Any]) -> str:
    """What one of pydantic's errors says, as a person would."""
    message: str = _IN_PLAIN_WORDS.get(error["type"], error["msg"])
    return message.removeprefix("Value error, ")


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    where = path(location)
    return f"{where}: {message[:1].lower()}{message[1:]}" if where else message
