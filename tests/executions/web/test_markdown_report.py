"""Markdown of a run becomes safe HTML."""

import re
import sys
from typing import Any

import pytest

from executions.web import markdown_report
from executions.web.markdown_report import MAX_REPORT_BYTES, render, render_report

pytestmark = pytest.mark.once


def test_markdown_becomes_html() -> None:
    html = render("# Title\n\n**strong** `code`\n\n1. one\n2. two\n\n> said\n\n```\n<b>\n```\n")
    assert "<h3>Title</h3>" in html
    assert "<strong>strong</strong> <code>code</code>" in html
    assert "<li>one</li>" in html
    assert "<blockquote>" in html
    assert "<pre><code>&lt;b&gt;" in html


def test_headings_are_below_those_of_the_page() -> None:
    assert [*re.findall(r"<(h\d)>", render("# 1\n## 2\n### 3\n#### 4\n##### 5\n###### 6"))] == [
        "h3",
        "h4",
        "h5",
        "h6",
        "h6",
        "h6",
    ]


def test_a_table_has_no_style_attributes() -> None:
    html = render("| a | b |\n|:--|--:|\n| 1 | 2 |\n")
    assert "<td>2</td>" in html
    assert "style" not in html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "a <b onclick=alert(1)>b</b>",
        "<!-- x --><style>*{}</style>",
        '```"><img src=x onerror=alert(1)>\nx\n```',
        '[a](https://x.example/ "\\"onmouseover=alert(1)")',
        "[a](https://x.example/\"onmouseover='alert(1)')",
        "<https://x.example/<img src=x onerror=alert(1)>>",
        "&lt;img src=x onerror=alert(1)&gt; &#60;script&#62;",
    ],
)
def test_html_in_the_text_is_escaped(text: str) -> None:
    tags = re.findall(r"<[^>]*>", render(text))
    assert {re.match(r"</?(\w+)", tag)[1] for tag in tags} <= {"p", "a", "pre", "code"}  # type: ignore[index]
    assert not any(re.search(r"\s(on\w+|style)=(?=[^\"]*(\"[^\"]*\"[^\"]*)*$)", tag) for tag in tags)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "&#106;avascript:alert(1)",
        "\tjavascript:alert(1)",
        "data:text/html,x",
        "data:image/png;base64,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:x",
        "//elsewhere.example/",
        "/admin/",
        "x",
        "#run",
    ],
)
def test_a_link_with_another_scheme_is_not_a_link(url: str) -> None:
    assert "href" not in render(f"[a]({url}) <{url}>\n\n[b][c]\n\n[c]: {url}\n")


@pytest.mark.parametrize(
    "url", ["https://x.example/?a=1&b=2", "http://x.example", "HTTPS://X.EXAMPLE", "mailto:a@x.example"]
)
def test_a_link_sends_no_referrer(url: str) -> None:
    assert 'rel="noopener noreferrer nofollow"' in render(f"[a]({url})")


def test_an_image_becomes_a_link() -> None:
    html = render("![spy](https://x.example/spy.png)")
    assert "<img" not in html
    assert 'href="https://x.example/spy.png"' in html


@pytest.mark.parametrize(
    "text", ["> " * 10_000, "[" * 10_000, "*a " * 10_000, "- " * 5_000 + "x", "`" * 10_001, "\x00", "\ud800"]
)
def test_hostile_text_is_rendered(text: str) -> None:
    render(text)


LIMIT = MAX_REPORT_BYTES // 1024


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        (["x" * (MAX_REPORT_BYTES + 1)], f"it has more than {LIMIT} KB."),
        (["x" * 1_000] * 66, f"it has more than {LIMIT} KB."),
        (["é" * (MAX_REPORT_BYTES // 2 + 1)], f"it has more than {LIMIT} KB."),
        (["x"] * 101, "it has more than 100 texts."),
        (["|a" * 400 + "|\n" + "|-" * 400 + "|\n" + "|\n" * 100], "it has tables of up to "),
        (["[a]: http://" + "é" * 2_000 + "\n\n" + "[a]" * 19_000], "the addresses of its links have more than 256 KB."),
        (['[a]: http://x "' + "t" * 9_000 + '"\n\n' + "[a]" * 15_000], "the addresses of its links have more than 256"),
    ],
)
def test_a_report_beyond_a_limit_is_shown_as_plain_text_that_says_why(texts: list[str], reason: str) -> None:
    html = render_report(texts)
    assert html.startswith(f'<p class="hint">This report is shown as plain text: {reason}')
    assert re.findall(r"<(\w+)", html) == ["p", "pre"]
    assert len(html) < 2 * MAX_REPORT_BYTES


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", "</pre><img src=x onerror=alert(1)>", "&lt;b&gt;"])
def test_html_in_a_plain_report_is_escaped(hostile: str) -> None:
    html = render_report([hostile * 10_000])
    assert set(re.findall(r"<(\w+)", html)) == {"p", "pre"}


def test_a_report_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    monkeypatch.setattr(markdown_report, "render", lambda text: parsed.append(text) or "<p></p>")
    for _ in range(3):
        render_report(["# Only once", "and twice"])
    assert parsed == ["# Only once", "and twice"]


def test_a_report_that_is_too_long_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    monkeypatch.setattr(markdown_report, "render", lambda text: parsed.append(text) or "")
    render_report(["[" * (MAX_REPORT_BYTES + 1)])
    assert parsed == []


def steps(text: str) -> int:
    """How many functions are called to render the text."""
    count = 0

    def on_call(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += 1

    sys.setprofile(on_call)
    try:
        render(text)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "[",
            "]",
            "![",
            "*a ",
            "*a_ ",
            "`a``b",
            "<",
            "&#",
            ">",
            "> a\n",
            "- a\n",
            "[a](b",
            "[a](<b",
            "[a]: b\n",
            "[a\n",
        ),
        *(
            "[a]",
            "<a ",
            "<!--",
            "<http://a>",
            "a**b",
            "**a",
            "[a](",
            "> - ",
            "|\n",
            "a|b\n-|-\n",
            "[[a]",
            "# a\n",
            "1. a\n",
        ),
    ],
)
def test_the_work_grows_with_the_length_of_the_text(piece: str) -> None:
    short = piece * (4_000 // len(piece))
    render(short)  # fills the parser's caches
    assert steps(short * 2) < 2.3 * steps(short) + 2_000
