"""Renders the Markdown of a run as safe HTML. Pure: no Django, no I/O.

The text of a run is untrusted. Its HTML is escaped. Images become links, because an image would call a foreign server.
Links lead to http, https and mailto only. The HTML has no styles and no scripts.

The work has limits: MAX_REPORT_BYTES and `check_tables` are checked before a text is parsed, MAX_LINK_BYTES while its
HTML is written. A report beyond them is shown as plain text. The same report is rendered once, and one report at a
time, so the server has time for its sockets.
"""

import threading
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from executions.blocks.markdown import check_tables

OUTPUT: Final = "report"
"""The name of the output that holds a run's report: a list of Markdown texts."""

MAX_REPORT_BYTES: Final = 64 * 1024
"""Of all texts of a report, in UTF-8. The longest of the samples has 30 KB. The worst text takes 0.7 s to render."""
MAX_TEXTS: Final = 100
MAX_LINK_BYTES: Final = 256 * 1024
"""Of the addresses and titles of all links of a text. A definition can be used many times: 64 KB would be 118 MB."""
_KEPT_REPORTS = 32  # rendered ones; the HTML of each has a few hundred kilobytes at most

_SCHEMES = ("http://", "https://", "mailto:")
_HEADING_SHIFT = 2  # the page has its own h1 and h2
_MAX_NESTING = 20


_one_at_a_time = threading.Lock()


def render_report(texts: Sequence[str]) -> str:
    """The texts of a report as safe HTML. A report beyond the limits is shown as plain text, and says why."""
    size = 0
    for number, text in enumerate(texts, 1):
        size += len(text.encode(errors="replace"))
        if size > MAX_REPORT_BYTES:
            return _plain(texts[:number], f"it has more than {MAX_REPORT_BYTES // 1024} KB.")
        if number > MAX_TEXTS:
            return _plain(texts[:number], f"it has more than {MAX_TEXTS} texts.")
    with _one_at_a_time:
        return _render_once(tuple(texts))


@lru_cache(_KEPT_REPORTS)
def _render_once(texts: tuple[str, ...]) -> str:
    try:
        for text in texts:
            check_tables(text)
        return "".join(map(render, texts))
    except ValueError as error:
        return _plain(texts, str(error))


def _plain(texts: Sequence[str], reason: str) -> str:
    text = "\n\n".join(texts)[:MAX_REPORT_BYTES]
    return f'<p class="hint">This report is shown as plain text: {escape(reason)}</p>\n<pre>{escape(text)}</pre>\n'


def render(markdown: str) -> str:
    """The Markdown as safe HTML. The caller has checked the limits of the text. Raises ValueError for too much HTML."""
    return str(_markdown.render(markdown))


class _Renderer(RendererHTML):
    def heading_open(self, tokens: list[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f"<{_heading(tokens[idx])}>"

    def heading_close(self, tokens: list[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f"</{_heading(tokens[idx])}>\n"

    def link_open(self, tokens: list[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        env["link_bytes"] = env.get("link_bytes", 0) + sum(len(str(value)) for value in tokens[idx].attrs.values())
        if env["link_bytes"] > MAX_LINK_BYTES:
            raise ValueError(f"the addresses of its links have more than {MAX_LINK_BYTES // 1024} KB.")
        tokens[idx].attrSet("rel", "noopener noreferrer nofollow")
        return self.renderToken(tokens, idx, options, env)

    def th_open(self, tokens: list[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        # markdown-it puts the alignment into a style attribute, which the page's Content-Security-Policy forbids.
        tokens[idx].attrs.pop("style", None)
        return self.renderToken(tokens, idx, options, env)

    td_open = th_open


def _heading(token: Token) -> str:
    return f"h{min(6, int(token.tag[1:]) + _HEADING_SHIFT)}"


def _is_allowed(url: str) -> bool:
    return url.strip().lower().startswith(_SCHEMES)


_markdown = MarkdownIt("commonmark", {"html": False, "maxNesting": _MAX_NESTING}, renderer_cls=_Renderer)
_markdown.enable("table").disable("image")
_markdown.validateLink = _is_allowed  # type: ignore[method-assign]
