"""The page that starts a run."""

from typing import Any

from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from executions.blocks.text import MAX_TEXT_BYTES
from executions.models import Graph, GraphExecution
from executions.samples import CODEBASE_CENSUS, CSV_PROFILE, default_text, make_sample, make_text_insight
from tests.executions.web.pages import HOSTILE, text_of, url


def test_the_form_has_an_example_text(page: Client, sample: Graph) -> None:
    form = page.get(url("execution-start")).context["form"]
    assert form["input-text"].value() == default_text()


def test_a_pasted_text_starts_a_run(page: Client, user: User, sample: Graph) -> None:
    response = page.post(url("execution-start"), {"graph": sample.pk, "input-text": "One.\r\nTwo."})
    execution = GraphExecution.objects.get()
    assert response["Location"] == url("execution-detail", execution.pk)
    assert (execution.user, execution.graph, execution.status) == (user, sample, "QUEUED")
    assert (execution.inputs, execution.runner) == ({"text": "One.\nTwo."}, "embedded")


def test_an_uploaded_text_replaces_the_pasted_one(page: Client, sample: Graph) -> None:
    file = SimpleUploadedFile("text.md", "\ufeffÜber alles.".encode())
    page.post(url("execution-start"), {"graph": sample.pk, "input-text": "Pasted.", "input-text-file": file})
    assert GraphExecution.objects.get().inputs == {"text": "Über alles."}


def test_invalid_input_is_refused_and_starts_no_run(page: Client, sample: Graph) -> None:
    file = SimpleUploadedFile("text.txt", b"\xff\xfe")
    response = page.post(url("execution-start"), {"graph": sample.pk, "input-text": "", "input-text-file": file})
    assert response.status_code == 422
    text = text_of(response)
    assert "Nothing was started" in text
    assert "This file is not a text in UTF-8: line 1 holds other bytes." in text
    assert not GraphExecution.objects.exists()


def test_a_pasted_text_is_kept_after_an_error(page: Client, sample: Graph) -> None:
    response = page.post(url("execution-start"), {"graph": sample.pk, "input-text": "My own\0words."})
    assert "My own\0words.</textarea>" in response.content.decode()


def test_a_text_larger_than_an_event_is_refused(page: Client, sample: Graph) -> None:
    # Each of these characters takes six bytes in JSON.
    response = page.post(url("execution-start"), {"graph": sample.pk, "input-text": "\x01" * MAX_TEXT_BYTES})
    assert response.status_code == 422
    assert "bytes" in text_of(response)
    assert not GraphExecution.objects.exists()


def test_a_large_file_is_cut_while_it_is_read(page: Client, sample: Graph) -> None:
    file = SimpleUploadedFile("big.txt", b"x" * 3_000_000)
    response = page.post(url("execution-start"), {"graph": sample.pk, "input-text-file": file})
    assert response.status_code == 422
    assert "This is 2,930 KB long; 256 KB are the most." in text_of(response)


def test_the_name_of_a_file_does_not_matter(page: Client, sample: Graph) -> None:
    file = SimpleUploadedFile("../../<img src=x>\r\n.txt", b"One.")
    page.post(url("execution-start"), {"graph": sample.pk, "input-text-file": file})
    assert GraphExecution.objects.get().inputs == {"text": "One."}


def test_each_graph_has_its_own_form(page: Client, user: User) -> None:
    for sample, sign in ((CODEBASE_CENSUS, '<option value="executions/blocks">'), (CSV_PROFILE, "Mercury,,0.33")):
        graph, _ = make_sample(sample, user)
        content = page.get(url("execution-start"), {"graph": str(graph.pk)}).content.decode()
        assert sign in content
        assert sample.description in content


def test_a_graph_of_another_user_cannot_be_run(page: Client, sample: Graph, other_user: User) -> None:
    graph, _ = make_text_insight(other_user)
    response = page.post(url("execution-start"), {"graph": graph.pk, "input-text": "One."})
    assert "Choose one of your graphs." in text_of(response)
    assert not GraphExecution.objects.exists()


def test_without_a_graph_there_is_no_form(page: Client) -> None:
    response = page.get(url("execution-start"))
    assert "You have no graph yet" in text_of(response)
    assert b"<textarea" not in response.content


def test_a_link_can_choose_the_graph(page: Client, sample: Graph, graph: Graph) -> None:
    for each in (sample, graph):
        response = page.get(url("execution-start"), {"graph": str(each.pk)})
        assert f'<option value="{each.pk}" selected>' in response.content.decode()
    assert page.get(url("execution-start"), {"graph": HOSTILE}).status_code == 200


def test_a_start_beyond_the_cap_is_refused_in_words(
    page: Client, user: User, sample: Graph, settings: Settings
) -> None:
    settings.EXECUTIONS = {"MAX_QUEUED_OF_USER": 1}
    page.post(url("execution-start"), {"graph": sample.pk, "input-text": "One."})
    response = page.post(url("execution-start"), {"graph": sample.pk, "input-text": "Two."})
    assert (response.status_code, response["Retry-After"]) == (429, "10")
    text = text_of(response)
    assert "1 runs of this user wait already, which is the limit." in text
    assert "Wait until some have started, or terminate some" in text
    assert "Two.</textarea>" in response.content.decode()
    assert GraphExecution.objects.count() == 1


def test_the_definition_of_one_graph_is_read(
    page: Client, user: User, sample: Graph, django_assert_max_num_queries: Any
) -> None:
    """Those of all graphs of a user may be gigabytes."""
    for _ in range(3):
        Graph.objects.create(owner=user, name="other", nodes=sample.nodes, links=sample.links)
    start = url("execution-start")
    for request in (lambda: page.get(start), lambda: page.post(start, {"graph": sample.pk}), lambda: page.post(start)):
        with django_assert_max_num_queries(20) as captured:
            form = request().context["form"]
        reads = [query["sql"] for query in captured if '"nodes"' in query["sql"]]
        assert all("LIMIT 1" in read for read in reads), reads
        if form.chosen:
            assert form.chosen.get_deferred_fields() == {"nodes", "links"}
