"""Strategies for hostile input: JSON values, documents that are nearly valid, texts and bytes with changes."""

import json
from collections.abc import Iterator
from contextlib import suppress
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

HOSTILE_TEXTS = [
    *(
        "",
        " ",
        "\0",
        "\ud800",
        "\ufeff",
        "\u2028",
        "\u202e",
        "\x1b[2J",
        "é",
        "１",
        "ﬀ",
        "İ",
        "😀",
        "a" * 201,
        "b" * 5_000,
    ),
    *("null", "NaN", "-1", "1e400", "../..", "<script>", "{{7*7}}", "%s%n", "'\"`", "\r\n\r\n", "javascript:alert(1)"),
]
HOSTILE_NUMBERS = [0, -1, 2**31, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**400, 0.5, -0.0, 1e308, 1.5e-323]
FLOATS = st.floats()  # with NaN and the infinities, which json.dumps writes

texts = st.one_of(st.text(max_size=50), st.sampled_from(HOSTILE_TEXTS))
leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), FLOATS, texts, st.sampled_from(HOSTILE_NUMBERS), st.uuids().map(str)
)
json_values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def near(draw: st.DrawFn, document: Any) -> Any:
    """The document with up to three changes: a value replaced, removed, repeated, or wrapped; a field added."""
    box = [deepcopy(document)]
    for _ in range(draw(st.integers(0, 3))):
        places = list(_places(box))
        holder, key = places[draw(st.integers(0, len(places) - 1))]
        change = draw(st.sampled_from(["replace", "leaf", "remove", "repeat", "wrap", "add", "swap"]))
        if change == "replace":
            holder[key] = draw(json_values)
        elif change == "leaf":
            holder[key] = draw(leaves)
        elif change == "wrap":
            for _ in range(draw(st.sampled_from([1, 2, 60, 205]))):
                holder[key] = [holder[key]]
        elif change == "repeat" and isinstance(holder[key], (list, str)):
            holder[key] = holder[key] * draw(st.sampled_from([2, 30, 1_100]))
        elif change == "add" and isinstance(holder[key], dict):
            holder[key][draw(texts)] = draw(leaves)
        elif change == "swap":
            other, there = places[draw(st.integers(0, len(places) - 1))]
            with suppress(RecursionError):  # it is wrapped too deep to be copied
                holder[key] = deepcopy(other[there])
        elif change == "remove" and holder is not box:
            del holder[key]
    return box[0]


def _places(holder: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a document that holds a value, as its container and its key."""
    stack = [holder]
    while stack:
        each = stack.pop()
        for key in list(each) if isinstance(each, dict) else range(len(each)):
            yield each, key
            if isinstance(each[key], (dict, list)):
                stack.append(each[key])


def json_bytes(values: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """The JSON of these values, sometimes with changed bytes."""
    plain = st.builds(_dump, values, st.booleans())
    return st.one_of(plain, spliced(plain))


def _dump(value: Any, is_ascii: bool) -> bytes:
    return json.dumps(value, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")


PIECES = [b"", b"\0", b"\xff", b"\xed\xa0\x80", b'"', b"\\", b"\\u", b"[", b"}", b",", b":", b"\r\n", b"\n", b" ", b"-"]
PIECES += [b"--", b"=", b";", b"%", b"9" * 400, b"[" * 500, b'{"a":' * 300, b"NaN", b"1e999", b"\xef\xbb\xbf", b"//"]


@st.composite
def spliced(draw: st.DrawFn, source: st.SearchStrategy[bytes]) -> bytes:
    """Bytes of the source with up to four changes: pieces inserted, removed, or repeated."""
    data = draw(source)
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 8)))
        piece = draw(st.one_of(st.sampled_from(PIECES), st.binary(max_size=8), st.just(data[start:end] * 3)))
        data = data[:start] + piece + data[end:]
    return data


@st.composite
def repeated(draw: st.DrawFn, pieces: list[str], longest: int = 40_000) -> str:
    """A long text of a few pieces, each many times: what is quadratic shows."""
    parts = draw(st.lists(st.sampled_from(pieces) | st.text(min_size=1, max_size=4), min_size=1, max_size=4))
    times = draw(st.sampled_from([1, 2, 10, 100, 1_000, 10_000]))
    order = draw(st.booleans())
    text = "".join(parts) * times if order else "".join(part * times for part in parts)
    return text[:longest]
