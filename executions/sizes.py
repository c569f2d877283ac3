"""Counts the bytes of a value without writing it as JSON. Pure: no Django, no I/O."""

from collections.abc import Mapping
from typing import Any


def size_of(value: Any, limit: int) -> int:
    """About the bytes of `value` as JSON in UTF-8. Stops above `limit`, so the work is bounded by it.

    A value that occurs several times counts each time, as it does in JSON."""
    size, stack = 0, [value]
    while stack and size <= limit:
        each = stack.pop()
        if isinstance(each, str):
            size += 2 + (len(each) if each.isascii() else len(each.encode(errors="surrogatepass")))
        elif isinstance(each, Mapping):
            size += 2 + 2 * len(each)
            stack += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple):
            size += 2 + len(each)
            stack += each
        elif isinstance(each, int):
            size += 1 + each.bit_length() // 3
        else:
            size += 8  # null, a number with a fraction, or a short text such as a date
    return size
