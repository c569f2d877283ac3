"""Blocks that split a text into prose, sentences and words. The blocks of `insight.py` use the results.

They are made for English. They work for other languages with spaces between words.
"""

import re
from collections import Counter
from typing import Annotated

from markdown_it import MarkdownIt
from markdown_it.token import Token
from pydantic import Field

from executions.blocks.markdown import check_tables
from executions.blocks.registry import BlockError, BlockInput, LongText, Outputs, block
from executions.blocks.stop_words import STOP_WORDS

MAX_TEXT_BYTES = 256 * 1024
"""In UTF-8. An event of a node holds its input and outputs, and must stay below the size limit of an event."""

WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
"""Letters of any script, with apostrophes and hyphens inside."""

_SENTENCE_END = re.compile(r"""[.!?…]+["'”’»)\]]*|[。！？]["”’」』)）]*""")
"""Signs that may end a sentence. The pattern does not look at what follows: it would be tried again at each sign of a
long run of signs, which takes quadratic time. `_is_within_sentence` looks at it, once for each run."""
_NEVER_LAST = frozenset({"mr", "mrs", "ms", "dr", "prof", "st", "vs", "fig", "vol", "cf", "approx", "e.g", "i.e"})
"""Abbreviations that do not end a sentence: their full stop belongs to them."""


Text = Annotated[str, LongText(MAX_TEXT_BYTES, "text/*,.md,.markdown,.rst")]


class ProseInput(BlockInput):
    text: Text = Field(title="Text", description="Plain text or Markdown, at most 256 KB.")


class TextInput(BlockInput):
    text: Text


class WordsInput(TextInput):
    most: int = Field(default=100, ge=1, le=1_000, description="How many of the most frequent words are kept.")


@block("text.prose", title="Prose", description="Takes the running text out of Markdown: no headings, code or tables.")
def prose(data: ProseInput) -> Outputs:
    if not data.text.strip():
        raise BlockError("The text is empty.")
    try:
        check_tables(data.text)
    except ValueError as error:
        raise BlockError(f"The text cannot be read as Markdown: {error} Leave out a table.") from None
    paragraphs: list[str] = []
    is_left_out = False
    for token in MarkdownIt("commonmark", {"maxNesting": 20}).enable("table").parse(data.text):
        if token.type in ("heading_open", "heading_close", "table_open", "table_close"):
            is_left_out = token.nesting == 1
        elif token.type == "code_block":
            paragraphs.append(token.content)  # indented: in plain text this is a verse or a quotation
        elif token.type == "inline" and not is_left_out:
            paragraphs.append("".join(map(_prose_of, token.children or ())))
    text = "\n\n".join(filter(None, (" ".join(paragraph.split()) for paragraph in paragraphs)))
    if not WORD.search(text):
        raise BlockError("There is no running text in it: only headings, code, tables or signs.")
    return {"text": [text]}


def _prose_of(token: Token) -> str:
    if token.type in ("image", "html_inline"):
        return ""
    return " " if token.type.endswith("break") else token.content


@block("text.sentences", title="Sentences", description="Splits a text into its sentences.")
def sentences(data: TextInput) -> Outputs:
    found = [sentence for paragraph in data.text.split("\n\n") for sentence in _split(" ".join(paragraph.split()))]
    found = [sentence for sentence in found if WORD.search(sentence)]
    if not found:
        raise BlockError("There is no sentence in the text.")
    return {"sentences": found, "count": [len(found)]}


def _split(paragraph: str) -> list[str]:
    pieces: list[str] = []
    start = 0
    for end in _SENTENCE_END.finditer(paragraph):
        if not _is_within_sentence(paragraph, end):
            pieces.append(paragraph[start : end.end()].strip())
            start = end.end()
    return [*pieces, paragraph[start:].strip()]


def _is_within_sentence(paragraph: str, end: re.Match[str]) -> bool:
    """Whether the signs do not end the sentence: no space follows, a lower-case letter follows, or the full stop
    belongs to an abbreviation or an initial. In a paragraph, one space stands between two words."""
    following = paragraph[end.end() : end.end() + 2]
    if following and not following[0].isspace() and end[0][0] not in "。！？":
        return True
    if following.lstrip()[:1].islower():
        return True
    if end[0] != ".":
        return False
    words = paragraph[max(0, end.start() - 20) : end.start()].split()
    last = words[-1].lstrip("(\"'“‘").lower() if words else ""
    return last in _NEVER_LAST or (len(last) == 1 and last.isalpha() and last != "i")


@block("text.words", title="Words", description="Counts the words, and says which come most often, stop words apart.")
def words(data: WordsInput) -> Outputs:
    found = [word.casefold().replace("’", "'") for word in WORD.findall(data.text)]
    if not found:
        raise BlockError("There is no word in the text.")
    counts = Counter(word for word in found if is_telling(word))
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[: data.most]
    return {
        "frequencies": [{"word": word, "count": count} for word, count in ranked],
        "count": [len(found)],
        "distinct": [len(set(found))],
    }


def is_telling(word: str) -> bool:
    """Whether a lower-case word has information about the subject."""
    return word not in STOP_WORDS and (len(word) > 1 or not word.isascii())
