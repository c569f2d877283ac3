"""Markdown of a run: HTML with a few known tags and attributes, and no more work than the text is long."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executions.blocks.markdown import escaped
from executions.web import markdown_report
from executions.web.markdown_report import MAX_REPORT_BYTES, render, render_report
from tests.fuzz.inputs import repeated, texts
from tests.fuzz.oracles import LONG_REPR, SHORT, at_most_calls

pytestmark = [pytest.mark.once, LONG_REPR]

PIECES = [
    *("*", "_", "`", "[", "]", "(", ")", "![", "](", "<", ">", "#", "-", "+", "~", "|", "\\", "&", ":", "\n", "\n\n"),
    *(
        "| a | b |\n",
        "|---|:-:|\n",
        "> ",
        "- ",
        "1. ",
        "    ",
        "\t",
        "***",
        "```",
        "~~~\n",
        "](http://a)",
        "<http://a>",
    ),
    *("[a](javascript:b)", "[a](JaVaScRiPt&#58;b)", "[a](data:text/html,b)", "[a](mailto:b)", "<b onclick=c>", "<!--"),
    *("[a]: http://b 'c'\n", "[a]", "&#x6a;", "&amp;", "&lt;", "</p>", "<script>", "  \n", "===\n", "---\n", "\0", "a"),
]
markdown = st.one_of(st.lists(st.sampled_from(PIECES), max_size=60).map("".join), repeated(PIECES), texts)

TAGS = {
    *("p", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong", "hr", "br", "a"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {
    "a": {"href", "title", "rel"},
    "code": {"class"},  # the language of a fence
    "ol": {"start"},
    "p": {"class"},  # why a report is shown as plain text
}
VOID = {"hr", "br"}


class Checker(HTMLParser):
    """Fails at a tag or an attribute that is not known, and at tags that are not closed in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, tag
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names)
        assert set(names) <= ATTRIBUTES.get(tag, set()), (tag, attrs)
        values = dict(attrs)
        if tag == "a":
            assert values["rel"] == "noopener noreferrer nofollow"
            url = (values["href"] or "").strip().lower()
            assert url.startswith(("http://", "https://", "mailto:")), url
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    handle_decl = handle_pi = unknown_decl = handle_comment

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)


@SHORT
@given(st.lists(markdown, max_size=3))
def test_a_report_has_known_tags_only_and_costs_what_its_length_allows(report: list[str]) -> None:
    length = min(sum(map(len, report)), MAX_REPORT_BYTES + 40_000)
    markdown_report._render_once.cache_clear()
    with at_most_calls(50_000 + 600 * length):
        html = render_report(report)
    assert len(html) < 1_000_000 + 100 * length
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []


@SHORT
@given(st.one_of(texts, st.lists(st.sampled_from(PIECES), max_size=20).map("".join)))
def test_escaped_text_is_shown_as_it_is(text: str) -> None:
    class Reader(Checker):
        shown = ""

        def handle_data(self, data: str) -> None:
            self.shown += data

    reader = Reader()
    reader.feed(render(escaped(text)))
    reader.close()
    # Markdown shows U+0000 as U+FFFD.
    said = " ".join(text.split())
    said = said if len(said) <= 1_000 else said[:1_000].rstrip() + " …"
    assert reader.shown.strip() == said.replace("\0", "�").strip()
