"""Turns pydantic's errors into sentences for people: `links[2].sink_id: there is no node "x"`."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

# Pydantic's own messages for these types speak of schemas. Its other messages are used as they are.
_PLAIN_MESSAGES = {
    "missing": "it is missing",
    "extra_forbidden": "there is no such field",
    "none_required": "it must be empty",
    "model_type": "it should be an object with fields",
}


def sentences(error: ValidationError) -> list[str]:
    """One sentence for each error, in the order of the fields. A sentence starts with the path."""
    return [
        _sentence(each["loc"], plain_message(each))
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def path(location: tuple[int | str, ...]) -> str:
    """The location as text: `("links", 2, "sink_id")` becomes `links[2].sink_id`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def plain_message(error: Mapping[str, Any]) -> str:
    """The message of one error of pydantic's `errors()`, in plain words."""
    message: str = _PLAIN_MESSAGES.get(error["type"], error["msg"])
    return message.removeprefix("Value error, ")


def _sentence(location: tuple[int | str, ...], message: str) -> str:
    where = path(location)
    return f"{where}: {message[:1].lower()}{message[1:]}" if where else message
