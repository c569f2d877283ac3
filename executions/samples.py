"""What a new installation can run at once, the graph "Text insight", and who can log in to do so.

              ┌─► words ─────┬───────────────┐
    prose ────┤              ├─► key ────────┼─► report
              └─► sentences ─┼─► readability ┤
                             └───────────────┘

Words and sentences are found side by side; readability and key sentences, too.
"""

from django.conf import settings
from django.contrib.auth.models import User

from executions.blocks.text import MAX_TEXT_BYTES
from executions.graphs import GraphDefinition, Link, Node
from executions.models import Graph

DEMO_ACCOUNTS = {"ada": "ada", "admin": "admin"}
"""Name → password, of a person and an admin. They are made by `manage.py demo`, which needs DEBUG."""

NAME = "Text insight"
DESCRIPTION = (
    "Reads a text and reports on it: its most frequent words, how hard it is to read, its key sentences. "
    "Run by the embedded runner, in this server."
)

_LINKS = """
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
"""

_WITHOUT_README = (
    "Runwire carries live updates of graph executions to the browser. Every committed change reaches every "
    "subscriber, in order and once. The log is the truth, and the channel layer is only the fast path. "
    "What is lost on the way is found again by its number."
)


def text_insight() -> GraphDefinition:
    """Takes the run's input `text`, gives the output `report`: a list of one Markdown text."""
    return GraphDefinition(
        nodes=[
            Node(id="prose", block_id="text.prose", title="Prose"),
            Node(id="sentences", block_id="text.sentences", title="Sentences"),
            Node(id="words", block_id="text.words", title="Words"),
            Node(id="readability", block_id="insight.readability", title="Readability"),
            Node(id="key", block_id="insight.key_sentences", title="Key sentences"),
            Node(id="report", block_id="insight.report", title="Report"),
        ],
        links=[_link(line) for line in _LINKS.strip().splitlines()],
    )


def default_text() -> str:
    """What a form starts with: this project's README, cut where it is longer than a text may be."""
    try:
        text = (settings.BASE_DIR / "README.md").read_text(encoding="utf-8")
    except OSError:
        return _WITHOUT_README
    return text.encode()[:MAX_TEXT_BYTES].decode(errors="ignore")


def make_text_insight(owner: User) -> tuple[Graph, bool]:
    """The owner's sample graph, and whether it was made just now. One that the owner has changed stays as it is."""
    graph = Graph.objects.filter(owner=owner, name=NAME).order_by("created_at").first()
    if graph is not None:
        return graph, False
    definition = text_insight().model_dump()
    made = Graph.objects.create(
        owner=owner, name=NAME, description=DESCRIPTION, nodes=definition["nodes"], links=definition["links"]
    )
    return made, True


def _link(line: str) -> Link:
    source, sink = (end.strip().split(".") for end in line.split("→"))
    return Link(source_id=source[0], source_name=source[1], sink_id=sink[0], sink_name=sink[1])
