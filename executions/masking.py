"""Hides values in the outputs of a run from those who see it by a link. The names of the values decide, not the values.
Pure."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import translate
from functools import lru_cache
from typing import Any, Final

HIDDEN: Final = "•••"


def masked(outputs: Mapping[str, Any], patterns: Sequence[str]) -> dict[str, Any]:
    """The outputs (name → list of values), with HIDDEN for each value whose name matches one of these shell patterns.
    Case does not matter, nor how deep the value is."""
    hides = _matcher((patterns,) if isinstance(patterns, str) else tuple(patterns))
    return {name: [HIDDEN] if hides(name.casefold()) else _masked(value, hides) for name, value in outputs.items()}


def _masked(value: Any, hides: Any) -> Any:
    if isinstance(value, dict):
        return {name: HIDDEN if hides(name.casefold()) else _masked(each, hides) for name, each in value.items()}
    return [_masked(each, hides) for each in value] if isinstance(value, list) else value


@lru_cache(16)
def _matcher(patterns: tuple[str, ...]) -> Any:
    return re.compile("|".join(translate(each.casefold()) for each in patterns) or r"(?!)").match
