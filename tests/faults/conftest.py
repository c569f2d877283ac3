"""Fixtures: one cluster for all fault tests, and a scenario for each test."""

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers import NotInstalledError

if TYPE_CHECKING:  # the modules import a client that only requirements-dev.txt installs
    from tests.faults.cluster import Cluster
    from tests.faults.scenario import Scenario

# Seconds. Short, so that lost events are found and a frozen Redis times out quickly.
QUICK = {"SWEEP_INTERVAL": 0.2, "SWEEP_GRACE": 0.05, "ANNOUNCE_TIMEOUT": 0.5, "REJOIN_INTERVAL": 1.0}


@pytest.fixture(scope="session")
def cluster() -> "Iterator[Cluster]":
    from tests.faults.cluster import Cluster

    try:
        cluster = Cluster(limits=QUICK, timeout=1.0)
    except NotInstalledError as missing:
        pytest.skip(str(missing))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture(scope="session")
def workers(cluster: "Cluster") -> list[Any]:
    """Two workers that live as long as the cluster. A test that kills workers starts its own."""
    return [cluster.worker(), cluster.worker()]


@pytest.fixture
async def scenario(cluster: "Cluster", workers: list[Any]) -> "AsyncIterator[Scenario]":
    """After the test, the cluster recovers, the readers stop, and nothing of them may be left in the servers."""
    from tests.faults.scenario import Scenario

    scenario = await Scenario.of(cluster, workers)
    try:
        yield scenario
    finally:
        await cluster.recover()
        await scenario.stop_readers()
    await scenario.assert_nothing_left()
