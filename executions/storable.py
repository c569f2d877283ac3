"""Checks that PostgreSQL, SQLite and browsers can all store or read a value, with the same result.

PostgreSQL's jsonb and text refuse U+0000 and lone surrogates. Browsers refuse NaN and the infinities. SQLite stores all
of them. So these checks refuse them before the database is asked, and name the path:

    outputs.result[3] holds NaN, which JSON cannot say.

Nothing here asks a database.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from executions.validation import path

MAX_DEPTH = 200  # pydantic writes at most 255 levels of JSON, and an event adds a few levels around a value

Location = tuple[int | str, ...]
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class UnstorableValue(ValueError):  # noqa: N818 - the name says what is wrong
    """A value that cannot be stored. The message starts with the path of the value."""


def is_text(text: str) -> bool:
    """Whether every database can store this text."""
    return not _UNSTORABLE.search(text)


def check_text(name: str, text: str, max_length: int | None = None) -> None:
    """Raises UnstorableValue for a text that a column of this name and length cannot hold."""
    if found := _UNSTORABLE.search(text):
        raise UnstorableValue(_character_message(name, found[0]))
    if max_length is not None and len(text) > max_length:
        raise UnstorableValue(f"{name} holds {len(text)} characters; {max_length} are the most.")


def plain_json(name: str, value: Any) -> Any:
    """`value` as a JSON column returns it: dictionaries with text as keys, lists, text, numbers, True, False and None.
    Other types that Django's JSON encoder can write (times, Decimal, UUID ...) become text. Raises UnstorableValue."""
    if value is None or value == {} or value == []:
        return value
    try:
        text = json.dumps(value, cls=DjangoJSONEncoder, allow_nan=False, ensure_ascii=False)
        text.encode()
    except RecursionError:
        raise UnstorableValue(f"{name} nests too deep, or holds itself.") from None
    except (ValueError, TypeError) as error:
        # The message of this error has no path.
        raise UnstorableValue(next(_faults(name, value), f"{name}: {error}.")) from None
    plain = json.loads(text)
    if "\\u0000" in text and (fault := next(_faults(name, plain), None)):
        raise UnstorableValue(fault)
    if _is_too_deep(plain):
        raise UnstorableValue(f"{name} nests deeper than {MAX_DEPTH} levels.")
    return plain


def check_plain(name: str, value: Any) -> None:
    """Checks what `json.loads` has returned. Raises UnstorableValue. Unlike `plain_json`, which lets the interpreter do
    nothing else while it writes and reads a large value."""
    stack = [value]
    while stack:
        each = stack.pop()
        if isinstance(each, dict):
            stack += each
            stack += each.values()
        elif isinstance(each, list):
            stack += each
        elif (isinstance(each, str) and not is_text(each)) or (isinstance(each, float) and not math.isfinite(each)):
            raise UnstorableValue(next(_faults(name, value)))
    if _is_too_deep(value):
        raise UnstorableValue(f"{name} nests deeper than {MAX_DEPTH} levels.")


def _is_too_deep(plain: Any) -> bool:
    level = [plain]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for container in level
            if isinstance(container, (dict, list))
            for child in (container.values() if isinstance(container, dict) else container)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True


def _faults(name: str, value: Any) -> Iterator[str]:
    """One sentence for each part of `value` that cannot be stored, in the order of the value."""
    # An explicit stack, because `value` may be deeper than the recursion limit.
    stack: list[tuple[Location, Any]] = [((name,), value)]
    seen: set[int] = set()
    while stack:
        location, each = stack.pop()
        if isinstance(each, str):
            if found := _UNSTORABLE.search(each):
                yield _character_message(path(location), found[0])
        elif isinstance(each, float):
            if not math.isfinite(each):
                yield f"{path(location)} holds {_float_name(each)}, which JSON cannot say."
        elif isinstance(each, (Mapping, list, tuple)):
            if id(each) in seen:
                continue
            seen.add(id(each))
            if isinstance(each, Mapping):
                for key in each:
                    yield from _key_faults(location, key)
                children = [((*location, str(key)), child) for key, child in each.items()]
            else:
                children = [((*location, index), child) for index, child in enumerate(each)]
            stack.extend(reversed(children))
        elif not _is_serializable(each):
            yield f"{path(location)} holds a {type(each).__name__}, which JSON cannot say."


def _key_faults(location: Location, key: Any) -> Iterator[str]:
    where = f"a key of {path(location)}"
    if isinstance(key, str):
        if found := _UNSTORABLE.search(key):
            yield _character_message(where, found[0])
    elif isinstance(key, float) and not math.isfinite(key):
        yield f"{where} is {_float_name(key)}, which JSON cannot say."
    elif not isinstance(key, (int, float, type(None))):
        yield f"{where} is a {type(key).__name__}; keys are text."


def _is_serializable(value: Any) -> bool:
    try:
        json.dumps(value, cls=DjangoJSONEncoder)
    except (ValueError, TypeError):
        return False
    return True


def _character_message(where: str, character: str) -> str:
    kind = "the character U+0000" if character == "\x00" else f"a lone surrogate (U+{ord(character):04X})"
    return f"{where} holds {kind}, which cannot be kept."


def _float_name(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
