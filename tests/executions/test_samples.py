"""The sample graphs, and the initial values of a form."""

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from executions.blocks.registry import find_block
from executions.blocks.run_inputs import run_fields
from executions.blocks.text import MAX_TEXT_BYTES
from executions.models import Graph
from executions.samples import SAMPLES, Sample, default_text, example_of, make_sample, make_text_insight


@pytest.mark.parametrize(("sample", "takes"), [*zip(SAMPLES, ("text", "folder", "csv"), strict=True)])
def test_every_link_of_a_sample_carries_an_output_to_a_field(sample: Sample, takes: str) -> None:
    definition = sample.definition
    blocks = {node.id: find_block(node.block_id) for node in definition.nodes}

    for link in definition.links:
        block = blocks[link.sink_id]
        assert block
        assert link.sink_name in block.fields
    assert list(run_fields(definition)) == [takes]


@pytest.mark.django_db
def test_the_sample_graph_is_made_once_for_each_owner(user: User, other_user: User) -> None:
    made = [make_sample(sample, user) for sample in SAMPLES]

    assert [(graph.name, graph.owner, is_new) for graph, is_new in made] == [
        (each.name, user, True) for each in SAMPLES
    ]
    assert [make_sample(sample, user) for sample in SAMPLES] == [(graph, False) for graph, _ in made]
    assert make_text_insight(other_user)[1]
    assert Graph.objects.count() == 4


@pytest.mark.django_db
def test_a_sample_graph_that_its_owner_has_changed_stays_as_it_is(user: User) -> None:
    graph, _ = make_text_insight(user)
    graph.nodes, graph.links = [], []
    graph.save()

    again, _ = make_text_insight(user)

    assert again.nodes == []


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_defaults_of_a_sample_can_be_run(sample: Sample) -> None:
    (field,) = run_fields(sample.definition).values()
    block = find_block(sample.definition.nodes[0].block_id)
    assert block

    assert block.run({field.name: example_of(field)})


def test_a_form_starts_with_the_readme(settings: Settings, tmp_path: Path) -> None:
    settings.BASE_DIR = tmp_path
    (tmp_path / "README.md").write_text("# Read me\n\nNow.")

    assert default_text() == "# Read me\n\nNow."


def test_a_long_readme_is_cut_to_the_limit_of_a_text(settings: Settings, tmp_path: Path) -> None:
    settings.BASE_DIR = tmp_path
    (tmp_path / "README.md").write_text("aé" * MAX_TEXT_BYTES, encoding="utf-8")

    assert len(default_text().encode()) in (MAX_TEXT_BYTES - 1, MAX_TEXT_BYTES)


def test_without_a_readme_there_is_still_a_text(settings: Settings, tmp_path: Path) -> None:
    settings.BASE_DIR = tmp_path

    assert "Runwire" in default_text()
