"""Fixtures for the tests of runs: a pool of real block processes, quick retries, the changes, a gate."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from executions.blocks import registry
from executions.runner import run as run_module
from executions.runner.process_pool import ProcessPool
from executions.signals import graph_execution_changed, node_execution_changed
from tests.executions.gates import new_gate

BLOCKS = ("tests.executions.sample_blocks",)


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPool]:
    registry.load(BLOCKS)
    pool = ProcessPool(2, block_modules=BLOCKS, start_timeout=60)
    yield pool
    pool.close()


@pytest.fixture
def quick(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.EXECUTIONS = {"POLL_INTERVAL": 0.02}
    monkeypatch.setattr(run_module, "_PAUSES", (0.0, 0.0))


@pytest.fixture
def events() -> Iterator[list[tuple[str, str]]]:
    """(node id, or "run", and status) of every change, in order."""
    seen: list[tuple[str, str]] = []

    def on_run(event: Any = None, events: Any = (), **kwargs: Any) -> None:
        seen.extend(("run", each.status) for each in (events or [event]))

    def on_node(event: Any = None, events: Any = (), **kwargs: Any) -> None:
        seen.extend((each.node_id, each.status) for each in (events or [event]))

    graph_execution_changed.connect(on_run)
    node_execution_changed.connect(on_node)
    yield seen
    graph_execution_changed.disconnect(on_run)
    node_execution_changed.disconnect(on_node)


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return new_gate(tmp_path / "gate")
