"""Blocks that analyse the results of `text.py`: readability, key sentences, the report."""

import re
from typing import Annotated

from pydantic import BaseModel, Field, FiniteFloat

from executions.blocks.markdown import escaped
from executions.blocks.registry import BlockError, BlockInput, Outputs, block
from executions.blocks.text import WORD, is_telling

WORDS_A_MINUTE = 238
"""The speed of silent reading of English prose. Source: Brysbaert, "How many words do we read per minute?", Journal of
Memory and Language 109 (2019)."""

EASE_LEVELS = [(90, "very easy"), (80, "easy"), (70, "fairly easy"), (60, "plain English")]
EASE_LEVELS += [(50, "fairly difficult"), (30, "difficult")]
"""Minimum reading ease → level. Source: Flesch, The Art of Readable Writing (1949)."""

_VOWELS = re.compile("[aeiouyáéíóúàèìòùäöüâêîôû]+")
_SILENT_END = re.compile("(?:[^laeiouy]e|[^aeiouytd]ed|[^aeiouysxzcg]es)$")

Sentences = Annotated[list[str], Field(min_length=1)]


class Frequency(BaseModel):
    word: str
    count: int


class ReadabilityInput(BlockInput):
    sentences: Sentences


class KeySentencesInput(BlockInput):
    sentences: Sentences
    frequencies: list[Frequency]
    most: int = Field(default=5, ge=1, le=50, description="How many sentences are picked.")


class ReportInput(BlockInput):
    title: str = Field(default="Text insight", max_length=200)
    sentence_count: int
    word_count: int
    distinct_count: int
    frequencies: list[Frequency]
    reading_ease: FiniteFloat
    grade: FiniteFloat
    level: str
    key_sentences: list[str]


@block(
    "insight.readability", title="Readability", description="Flesch reading ease and Flesch–Kincaid grade (English)."
)
def readability(data: ReadabilityInput) -> Outputs:
    """Sources of the formulas: Flesch, "A new readability yardstick", Journal of Applied Psychology 32 (1948); Kincaid
    and others, Derivation of New Readability Formulas for Navy Enlisted Personnel, Research Branch Report 8-75
    (1975)."""
    words = [word for sentence in data.sentences for word in WORD.findall(sentence)]
    if not words:
        raise BlockError("There are no words in the sentences.")
    syllables = sum(map(count_syllables, words))
    words_a_sentence, syllables_a_word = len(words) / len(data.sentences), syllables / len(words)
    ease = 206.835 - 1.015 * words_a_sentence - 84.6 * syllables_a_word
    grade = 0.39 * words_a_sentence + 11.8 * syllables_a_word - 15.59
    return {
        "reading_ease": [round(ease, 1)],
        "grade": [round(grade, 1)],
        "level": [next((level for minimum, level in EASE_LEVELS if ease >= minimum), "very difficult")],
        "words_per_sentence": [round(words_a_sentence, 1)],
        "syllables_per_word": [round(syllables_a_word, 2)],
    }


def count_syllables(word: str) -> int:
    """The number of groups of vowels, without silent endings. A heuristic, right for about nine words in ten."""
    word = word.lower()
    count = len(_VOWELS.findall(word))
    return max(1, count - 1 if _SILENT_END.search(word) else count)


@block("insight.key_sentences", title="Key sentences", description="Picks the sentences that say most of the text.")
def key_sentences(data: KeySentencesInput) -> Outputs:
    """The algorithm is SumBasic: it picks the sentence with the most probable words, then makes these words less
    probable, so that the next sentence says something new. Source: Nenkova and Vanderwende, The Impact of Frequency on
    Summarization, MSR-TR-2005-101. It prefers sentences of 5 to 60 words, without headlines and very long sentences."""
    total = sum(each.count for each in data.frequencies)
    weight = {each.word: each.count / total for each in data.frequencies}
    contents = [
        [word for word in (found.casefold().replace("’", "'") for found in WORD.findall(sentence)) if is_telling(word)]
        for sentence in data.sentences
    ]
    lengths = [len(WORD.findall(sentence)) for sentence in data.sentences]
    left = [index for index, length in enumerate(lengths) if 5 <= length <= 60] or list(range(len(lengths)))
    picked: list[int] = []
    while left and len(picked) < data.most:
        best = max(left, key=lambda index: (_mean_weight(contents[index], weight), -index))
        left.remove(best)
        picked.append(best)
        for word in set(contents[best]) & weight.keys():
            weight[word] **= 2
    picked.sort()
    return {"sentences": [data.sentences[index] for index in picked], "positions": [index + 1 for index in picked]}


def _mean_weight(words: list[str], weight: dict[str, float]) -> float:
    return sum(weight.get(word, 0.0) for word in words) / len(words) if words else 0.0


@block("insight.report", title="Report", description="Joins what the other branches found to a report in Markdown.")
def report(data: ReportInput) -> Outputs:
    minutes = data.word_count / WORDS_A_MINUTE
    lines = [
        f"# {escaped(data.title)}",
        "",
        f"{data.word_count:,} words, {data.distinct_count:,} of them different, in {data.sentence_count:,} sentences: "
        + (f"about {minutes:.0f} min of reading." if minutes >= 1 else "less than a minute of reading."),
        "",
        "## Readability",
        "",
        f"Flesch reading ease {data.reading_ease:.1f} ({escaped(data.level)}), Flesch–Kincaid grade {data.grade:.1f}.",
        "",
        "## Key sentences",
        "",
        *(f"{number}. {escaped(sentence)}" for number, sentence in enumerate(data.key_sentences, 1)),
        "",
        "## Most frequent words",
        "",
        *(f"- {escaped(each.word)}: {each.count:,}" for each in data.frequencies[:10]),
    ]
    return {"report": ["\n".join(lines) + "\n"]}
