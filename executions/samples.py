"""The sample graphs and demo accounts of a new installation. The embedded runner runs the graphs in the server.

Text insight       ┌─► words ─────┬───────────────┐
         prose ────┤              ├─► key ────────┼─► report
                   └─► sentences ─┼─► readability ┤
                                  └───────────────┘

Codebase census    ┌─► lines ─────┐
         files ────┼─► functions ─┼─► report
                   └─► imports ───┘

CSV profile                  ┌─► statistics ───┐
         table ────► types ──┼─────────────────┼─► report
                             └─► correlations ─┘

Nodes above each other run concurrently. Each graph takes one input. Its output `report` is a list of one Markdown text.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.models import User

from executions.blocks.registry import Field
from executions.blocks.table import EXAMPLE
from executions.blocks.text import MAX_TEXT_BYTES
from executions.graphs import GraphDefinition, Link, Node
from executions.models import Graph

DEMO_ACCOUNTS = {"ada": "ada", "admin": "admin"}
"""Name → password of a user and an admin. `manage.py demo` creates them, and needs DEBUG."""


class Sample(NamedTuple):
    name: str
    description: str
    blocks: str  # one node a line: node id, block id, title
    links: str  # one link a line: source.output → sink.input

    @property
    def definition(self) -> GraphDefinition:
        return GraphDefinition(
            nodes=[_node(line) for line in self.blocks.strip().splitlines()],
            links=[_link(line) for line in self.links.strip().splitlines()],
        )


TEXT_INSIGHT = Sample(
    "Text insight",
    "Reads a text and reports on it: its most frequent words, how hard it is to read, its key sentences.",
    """
    prose        text.prose             Prose
    sentences    text.sentences         Sentences
    words        text.words             Words
    readability  insight.readability    Readability
    key          insight.key_sentences  Key sentences
    report       insight.report         Report
    """,
    """
    prose.text             → sentences.text
    prose.text             → words.text
    sentences.sentences    → readability.sentences
    sentences.sentences    → key.sentences
    words.frequencies      → key.frequencies
    words.frequencies      → report.frequencies
    words.count            → report.word_count
    words.distinct         → report.distinct_count
    sentences.count        → report.sentence_count
    readability.reading_ease → report.reading_ease
    readability.grade      → report.grade
    readability.level      → report.level
    key.sentences          → report.key_sentences
    """,
)

CODEBASE_CENSUS = Sample(
    "Codebase census",
    "Takes stock of a folder of this project: its lines by language, its longest functions, what it imports.",
    """
    files      census.files      Source files
    lines      census.lines      Lines
    functions  census.functions  Functions
    imports    census.imports    Imports
    report     census.report     Report
    """,
    """
    files.files          → lines.files
    files.files          → functions.files
    files.files          → imports.files
    files.folder         → report.folder
    files.count          → report.file_count
    files.bytes          → report.byte_count
    files.left_out       → report.left_out
    lines.languages      → report.languages
    lines.unread         → report.unread
    functions.functions  → report.functions
    functions.count      → report.function_count
    imports.imports      → report.imports
    """,
)

CSV_PROFILE = Sample(
    "CSV profile",
    "Looks through a table: what its columns hold and lack, their statistics, what rises and falls together.",
    """
    table         csv.table         Table
    types         csv.types         Types
    statistics    csv.statistics    Statistics
    correlations  csv.correlations  Correlations
    report        csv.report        Report
    """,
    """
    table.table                → types.table
    table.table                → statistics.table
    table.table                → correlations.table
    types.columns              → statistics.columns
    types.columns              → correlations.columns
    table.delimiter            → report.delimiter
    table.has_header           → report.has_header
    table.row_count            → report.row_count
    table.bad_rows             → report.bad_rows
    table.bad_examples         → report.bad_examples
    table.cut_fields           → report.cut_fields
    types.columns              → report.columns
    statistics.numbers         → report.numbers
    statistics.words           → report.words
    correlations.correlations  → report.correlations
    correlations.left_out      → report.left_out
    """,
)

SAMPLES = (TEXT_INSIGHT, CODEBASE_CENSUS, CSV_PROFILE)

_WITHOUT_README = (
    "Runwire carries live updates of graph executions to the browser. Every committed change reaches every "
    "subscriber, in order and once. The log is the truth, and the channel layer is only the fast path. "
    "What is lost on the way is found again by its number."
)


def default_text() -> str:
    """The README of this project, cut to MAX_TEXT_BYTES. A fixed text if there is no README."""
    try:
        text = (settings.BASE_DIR / "README.md").read_text(encoding="utf-8")
    except OSError:
        return _WITHOUT_README
    return text.encode()[:MAX_TEXT_BYTES].decode(errors="ignore")


_EXAMPLES: dict[str, Callable[[], str]] = {"text": default_text, "csv": lambda: EXAMPLE}


def example_of(field: Field) -> Any:
    """The initial value of an input in a form, so that a run needs only one click: the default of the input, or an
    example for a required input of a sample graph."""
    if field.is_required and field.name in _EXAMPLES:
        return _EXAMPLES[field.name]()
    return field.default


def make_sample(sample: Sample, owner: User) -> tuple[Graph, bool]:
    """Returns the owner's graph of this sample, and whether this call created it. A graph that the owner has changed
    stays as it is."""
    graph = Graph.objects.filter(owner=owner, name=sample.name).order_by("created_at").first()
    if graph is not None:
        return graph, False
    return Graph.objects.create(
        owner=owner, name=sample.name, description=sample.description, **sample.definition.model_dump()
    ), True


def make_text_insight(owner: User) -> tuple[Graph, bool]:
    return make_sample(TEXT_INSIGHT, owner)


def _node(line: str) -> Node:
    id, block_id, title = line.split(maxsplit=2)
    return Node(id=id, block_id=block_id, title=title.strip())


def _link(line: str) -> Link:
    source, sink = (end.strip().split(".") for end in line.split("→"))
    return Link(source_id=source[0], source_name=source[1], sink_id=sink[0], sink_name=sink[1])
