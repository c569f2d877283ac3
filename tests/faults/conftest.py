"""The stage of the fault tests, once for all of them, and a scene of each test's own on it."""

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers import NotInstalledError

if TYPE_CHECKING:  # what needs no client for faults, which only requirements-dev.txt has, runs without
    from tests.faults.scene import Scene
    from tests.faults.stage import Stage

# Times are seconds. Short, so that what is lost is soon found; and so that a Redis which is frozen is soon given up.
QUICK = {"SWEEP_INTERVAL": 0.2, "SWEEP_GRACE": 0.05, "ANNOUNCE_TIMEOUT": 0.5, "REJOIN_INTERVAL": 1.0}


@pytest.fixture(scope="session")
def stage() -> "Iterator[Stage]":
    from tests.faults.stage import Stage

    try:
        stage = Stage(limits=QUICK, timeout=1.0)
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    try:
        stage.start()
        yield stage
    finally:
        stage.close()


@pytest.fixture(scope="session")
def workers(stage: "Stage") -> list[Any]:
    """Two that live as long as the stage, unless a test kills one of its own."""
    return [stage.worker(), stage.worker()]


@pytest.fixture
async def scene(stage: "Stage", workers: list[Any]) -> "AsyncIterator[Scene]":
    """Afterwards everything is healed, everybody leaves, and nothing may be left of them."""
    from tests.faults.scene import Scene

    scene = await Scene.of(stage, workers)
    try:
        yield scene
    finally:
        await stage.heal()
        await scene.leave()
    await scene.nothing_is_left()
