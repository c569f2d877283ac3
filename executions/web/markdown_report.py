"""Renders the Markdown of a run as safe HTML. Pure: no Django, no I/O.

The text of a run is untrusted. Its HTML is escaped. Images become links, because an image would call a foreign server.
Links lead to http, https and mailto only. The HTML has no styles and no scripts.
"""

from typing import Final

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

OUTPUT: Final = "report"
"""The name of the output that holds a run's report: a list of Markdown texts."""

_SCHEMES = ("http://", "https://", "mailto:")
_HEADING_SHIFT = 2  # the page has its own h1 and h2
_MAX_NESTING = 20


def render(markdown: str) -> str:
    """The Markdown as safe HTML."""
    return str(_markdown.render(markdown))


class _Renderer(RendererHTML):
    def heading_open(self, tokens: list[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f"<{_heading(tokens[idx])}>"

    def heading_close(self, tokens: list[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return f"</{_heading(tokens[idx])}>\n"

    def link_open(self, tokens: list[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
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
