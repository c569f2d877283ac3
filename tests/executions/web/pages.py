"""Helpers for the tests of the pages: URLs, the text of a page, a hostile string."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from django.urls import reverse

HOSTILE = "</script><img src=x onerror=alert(1)>\u202e\u2066\"'&{{ x }}{% y %}"

Queries = Callable[..., AbstractContextManager[Any]]


def url(name: str, *args: Any) -> str:
    return reverse(name, args=args)


def text_of(response: Any) -> str:
    """The visible text of the main part of a page."""
    content: str = response.content.decode()
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", content[content.index("<main") :]))
