"""Markdown of a run becomes safe HTML."""

import re

import pytest

from executions.web.markdown_report import render


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
