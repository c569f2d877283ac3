"""Paths that hold a credential, as that of a shared page. No log shows it."""

import re
from functools import lru_cache

from realtime.conf import limits


def hide_secrets(text: str) -> str:
    """The text with an ellipsis for the part of a path that follows one of SECRET_PATHS. A part that is short is no
    credential, but the name of a file in a traceback."""
    return _pattern(tuple(limits.SECRET_PATHS)).sub(r"\1…", text) if limits.SECRET_PATHS else text


@lru_cache(8)
def _pattern(paths: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"({'|'.join(map(re.escape, paths))})[^/?\s]{{20,}}")
