"""The inputs that a run of a graph takes."""

import pytest

from executions.blocks import registry
from executions.blocks.run_inputs import run_fields
from tests.executions.runner.test_schedule import graph

pytestmark = pytest.mark.once


@pytest.fixture(scope="module", autouse=True)
def _blocks() -> None:
    registry.load(["tests.executions.sample_blocks"])


def test_the_inputs_of_a_run_are_the_fields_of_its_first_nodes() -> None:
    definition = graph(
        {"a": ("test.one", {"note": "n"}), "b": "test.each", "unknown": "no.such.block"}, "a.value → b.values"
    )

    fields = run_fields(definition)

    assert list(fields) == ["value", "note"]
    assert fields["value"].is_required
    assert (fields["note"].is_required, fields["note"].default) == (False, "n")
