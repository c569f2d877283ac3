"""What a person may say to start a run, and what is values back."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile

from executions.blocks.table import EXAMPLE
from executions.blocks.text import MAX_TEXT_BYTES
from executions.models import Graph
from executions.samples import CODEBASE_CENSUS, SAMPLES, default_text, make_sample, make_text_insight
from executions.web.forms import StartForm


def filled_in(user: User, graph: Any, text: str = "", file: bytes | None = None) -> StartForm:
    """The form with posted data."""
    files = {} if file is None else {"input-text-file": SimpleUploadedFile("text.txt", file)}
    form = StartForm({"graph": str(graph), "input-text": text}, files, user=user)
    form.is_valid()
    return form


def errors_of(form: StartForm) -> str:
    return " ".join(text for texts in form.errors.values() for text in texts)


def test_a_text_may_be_as_long_as_a_block_takes(user: User, sample: Graph) -> None:
    longest = "x" * MAX_TEXT_BYTES
    assert filled_in(user, sample.pk, longest).inputs == {"text": longest}
    assert filled_in(user, sample.pk, file=longest.encode()).inputs == {"text": longest}


def test_crlf_line_ends_do_not_count_towards_the_size(user: User, sample: Graph) -> None:
    form = filled_in(user, sample.pk, "\r\n" * (MAX_TEXT_BYTES - 1) + "x")
    assert form.inputs == {"text": "\n" * (MAX_TEXT_BYTES - 1) + "x"}


@pytest.mark.parametrize(
    ("values", "message"),
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
        ({"file": b"\xff\xfe"}, "This file is not a text in UTF-8: line 1 holds other bytes."),
        ({"file": b"a\x00b"}, "it contains null characters"),
        ({"file": b"\n"}, "This file is empty."),
        ({"file": b""}, "This file is empty."),
        ({"text": "Pasted.", "file": b""}, "This file is empty."),
    ],
)
def test_invalid_input_is_refused(user: User, sample: Graph, values: dict[str, Any], message: str) -> None:
    assert message in errors_of(filled_in(user, **{"graph": sample.pk, **values}))


def test_a_graph_of_another_user_cannot_be_run(user: User, other_user: User) -> None:
    graph, _ = make_text_insight(other_user)
    assert "Choose one of your graphs." in errors_of(filled_in(user, graph.pk, "One."))


def test_the_choices_load_no_definition(user: User, sample: Graph) -> None:
    """A definition may have two megabytes, and the list has all graphs of the user."""
    graph = StartForm(user=user).fields["graph"].queryset.get(pk=sample.pk)  # type: ignore[attr-defined]
    assert {"nodes", "links"} <= graph.get_deferred_fields()


def test_staff_sees_the_owners_of_graphs(user: User, sample: Graph, other_user: User) -> None:
    make_text_insight(other_user)
    user.is_staff = True
    user.save()
    user.user_permissions.add(Permission.objects.get(codename="view_graph"))
    html = str(StartForm(user=user)["graph"])
    assert ">Text insight</option>" in html
    assert ">Text insight (of other_user)</option>" in html


def test_an_input_that_no_form_field_can_hold_is_an_error(user: User) -> None:
    graph = Graph.objects.create(owner=user, name="More", nodes=[{"id": "r", "block_id": "insight.report"}], links=[])
    message = errors_of(filled_in(user, graph.pk, "One."))
    assert "This graph also needs frequencies, key_sentences, which" in message


def test_a_graph_without_a_text_input_has_no_text_field(user: User) -> None:
    nodes = [{"id": "n", "block_id": "another.engine"}]
    graph = Graph.objects.create(owner=user, name="Foreign", nodes=nodes, links=[])
    assert filled_in(user, graph.pk, "One.").inputs == {}


def test_the_first_sample_is_chosen_and_the_list_is_sorted_by_name(user: User, other_user: User) -> None:
    for owner in (other_user, user):
        for sample in SAMPLES:
            make_sample(sample, owner)
    own = Graph.objects.create(owner=user, name="A graph of my own", nodes=[], links=[])

    form = StartForm(user=user)

    assert (form.chosen and form.chosen.name, form["graph"].value()) == (
        SAMPLES[0].name,
        form.chosen and form.chosen.pk,
    )
    choices = form.fields["graph"].queryset
    assert [each.name for each in choices] == sorted(["A graph of my own", *(sample.name for sample in SAMPLES)])
    assert StartForm(user=user, graph_id=str(own.pk)).chosen == own

    boss = User.objects.create_superuser("boss")
    chosen = StartForm(user=boss).chosen
    assert chosen
    assert (chosen.name, chosen.owner) == ("Text insight", other_user)
    own, _ = make_sample(SAMPLES[2], boss)
    assert StartForm(user=boss).chosen == own


def test_a_form_has_the_inputs_of_the_chosen_graph(user: User) -> None:
    graphs = {sample.name: make_sample(sample, user)[0] for sample in SAMPLES}

    def asked(name: str) -> dict[str, Any]:
        form = StartForm(user=user, graph_id=str(graphs[name].pk))
        return {question.name: question.value() for question in form.questions}

    assert asked("Text insight") == {"input-text": default_text(), "input-text-file": None}
    assert asked("CSV profile") == {"input-csv": EXAMPLE, "input-csv-file": None}
    assert asked("Codebase census") == {"input-folder": "."}


@pytest.mark.parametrize("name", ["Codebase census", "CSV profile"])
def test_the_initial_values_of_a_form_are_valid(user: User, name: str) -> None:
    graph = next(make_sample(sample, user)[0] for sample in SAMPLES if sample.name == name)
    blank = StartForm(user=user, graph_id=str(graph.pk))

    values = {"graph": str(graph.pk)} | {each.name: each.value() for each in blank.questions if each.value()}
    sent = StartForm(values, {}, user=user)

    assert sent.is_valid()
    assert sent.inputs in ({"folder": "."}, {"csv": EXAMPLE})


@pytest.mark.parametrize("path", ["..", "/etc", "executions/../..", ".git", "<img src=x>", ""])
def test_only_an_offered_folder_can_be_chosen(user: User, path: str) -> None:
    graph, _ = make_sample(CODEBASE_CENSUS, user)

    form = StartForm({"graph": str(graph.pk), "input-folder": path}, {}, user=user)

    assert errors_of(form) in ("Choose one of the folders of this project.", "This field is required.") or not path
    assert "folder" not in (form.inputs if form.is_valid() else {})


def test_numbers_and_checkboxes_may_be_left_to_the_default(user: User) -> None:
    nodes = [{"id": "n", "block_id": "text.words"}]
    graph = Graph.objects.create(owner=user, name="Words", nodes=nodes, links=[])

    def inputs(**values: str) -> dict[str, Any]:
        form = StartForm(
            {"graph": str(graph.pk), **{f"input-{name}": each for name, each in values.items()}}, user=user
        )
        assert form.is_valid(), form.errors
        return form.inputs

    assert inputs(text="One.", most="3") == {"text": "One.", "most": 3}
    assert inputs(text="One.", most="") == {"text": "One."}
