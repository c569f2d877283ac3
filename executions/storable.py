"""What can be kept: values that PostgreSQL, SQLite and browsers all take, and take alike.

PostgreSQL's jsonb and text refuse U+0000 and lone surrogates, browsers refuse NaN and the infinities, SQLite would keep
all of them. So they are refused here, before any database, with the path of what is wrong:

    outputs.result[3] holds NaN, which JSON cannot say.

Pure: nothing here asks a database.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from executions.validation import path

MAX_DEPTH = 200  # pydantic writes JSON no deeper than 255, and an event wraps a value a few times

Location = tuple[int | str, ...]
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class UnstorableValue(ValueError):  # noqa: N818 - it is about the value
    """A value that cannot be kept; the message begins with its path."""


def is_text(text: str) -> bool:
    """Whether every database takes it."""
    return not _UNSTORABLE.search(text)


def check_text(name: str, text: str, max_length: int | None = None) -> None:
    """Raises UnstorableValue for a text that a column cannot hold."""
    if found := _UNSTORABLE.search(text):
        raise UnstorableValue(_character_message(name, found[0]))
    if max_length is not None and len(text) > max_length:
        raise UnstorableValue(f"{name} holds {len(text)} characters; {max_length} are the most.")


def plain_json(name: str, value: Any) -> Any:
    """`value` as it comes back from a JSON column: dictionaries with text as keys, lists, text, numbers, true, false
    and null. What Django's JSON encoder knows (times, Decimal, UUID ...) becomes text. Raises UnstorableValue."""
    if value is None or value == {} or value == []:
        return value
    try:
        text = json.dumps(value, cls=DjangoJSONEncoder, allow_nan=False, ensure_ascii=False)
        text.encode()
    except RecursionError:
        raise UnstorableValue(f"{name} nests too deep, or holds itself.") from None
    except (ValueError, TypeError) as error:
        # These know what is wrong, and not where.
        raise UnstorableValue(next(_faults(name, value), f"{name}: {error}.")) from None
    plain = json.loads(text)
    if "\\u0000" in text and (fault := next(_faults(name, plain), None)):
        raise UnstorableValue(fault)
    if _is_too_deep(plain):
        raise UnstorableValue(f"{name} nests deeper than {MAX_DEPTH} levels.")
    return plain


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
    """A sentence for each thing in `value` that cannot be kept, in the order of the value."""
    # A stack of our own: what is searched may be as deep as Python can build it.
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
        elif not _can_be_said(each):
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


def _can_be_said(value: Any) -> bool:
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
