"""What a person may say to start a run, and what is said back."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile

from executions.blocks.text import MAX_TEXT_BYTES
from executions.forms import StartForm
from executions.models import Graph
from executions.samples import make_text_insight


@pytest.fixture
def user(db: None) -> User:
    """Without a password, whose hashing costs a third of a second."""
    return User.objects.create_user("user")


@pytest.fixture
def other_user(db: None) -> User:
    return User.objects.create_user("other_user")


@pytest.fixture
def sample(user: User) -> Graph:
    return make_text_insight(user)[0]


def filled_in(user: User, graph: Any, text: str = "", file: bytes | None = None) -> StartForm:
    """As a browser sends it."""
    files = {} if file is None else {"file": SimpleUploadedFile("text.txt", file)}
    form = StartForm({"graph": str(graph), "text": text}, files, user=user)
    form.is_valid()
    return form


def errors_of(form: StartForm) -> str:
    return " ".join(text for texts in form.errors.values() for text in texts)


def test_a_text_may_be_as_long_as_a_block_takes(user: User, sample: Graph) -> None:
    longest = "x" * MAX_TEXT_BYTES
    assert filled_in(user, sample.pk, longest).inputs == {"text": longest}
    assert filled_in(user, sample.pk, file=longest.encode()).inputs == {"text": longest}


def test_the_ends_of_lines_that_browsers_send_do_not_count(user: User, sample: Graph) -> None:
    form = filled_in(user, sample.pk, "\r\n" * (MAX_TEXT_BYTES - 1) + "x")
    assert form.inputs == {"text": "\n" * (MAX_TEXT_BYTES - 1) + "x"}


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"text": ""}, "Paste a text, or choose a file."),
        ({"text": " \n "}, "Paste a text, or choose a file."),
        ({"text": "x" * (MAX_TEXT_BYTES + 1)}, "256 KB are the most."),
        ({"text": "ä" * MAX_TEXT_BYTES}, "This is 512 KB long"),
        ({"text": "a\x00b"}, "Null characters are not allowed."),
        ({"text": "One.", "graph": ""}, "This field is required."),
        ({"text": "One.", "graph": uuid4()}, "Choose one of your graphs."),
        ({"text": "One.", "graph": "<img src=x>"}, "Choose one of your graphs."),
        ({"file": b"x" * (MAX_TEXT_BYTES + 1)}, "256 KB are the most."),
        ({"file": b"\xff\xfe"}, "This file is not a text in UTF-8."),
        ({"file": b"a\x00b"}, "it contains null characters"),
        ({"file": b"\n"}, "This file is empty."),
        ({"file": b""}, "This file is empty."),
        ({"text": "Pasted.", "file": b""}, "This file is empty."),
    ],
)
def test_bad_input_is_told(user: User, sample: Graph, said: dict[str, Any], message: str) -> None:
    assert message in errors_of(filled_in(user, **{"graph": sample.pk, **said}))


def test_nobody_elses_graph_can_be_run(user: User, other_user: User) -> None:
    graph, _ = make_text_insight(other_user)
    assert "Choose one of your graphs." in errors_of(filled_in(user, graph.pk, "One."))


def test_staff_that_sees_all_graphs_sees_whose_they_are(user: User, sample: Graph, other_user: User) -> None:
    make_text_insight(other_user)
    user.is_staff = True
    user.save()
    user.user_permissions.add(Permission.objects.get(codename="view_graph"))
    html = str(StartForm(user=user)["graph"])
    assert ">Text insight</option>" in html
    assert ">Text insight (of other_user)</option>" in html


def test_a_graph_that_needs_more_than_a_text_says_so(user: User) -> None:
    graph = Graph.objects.create(owner=user, name="More", nodes=[{"id": "r", "block_id": "insight.report"}], links=[])
    message = errors_of(filled_in(user, graph.pk, "One."))
    assert "This graph also needs sentence_count, word_count" in message


def test_a_graph_that_takes_no_text_gets_none(user: User) -> None:
    nodes = [{"id": "n", "block_id": "another.engine"}]
    graph = Graph.objects.create(owner=user, name="Foreign", nodes=nodes, links=[])
    assert filled_in(user, graph.pk, "One.").inputs == {}
