"""Several processes that share a folder. Each is a real process, which counts and then waits or dies."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[3]
PROCESS = """
import os, sys
from realtime.metrics import add_gauges, count, observe, share
{work}
print("ready", flush=True)
sys.stdin.read()
"""
WORK = """
add_gauges(lambda: {"sockets": 3})
count("errors", 2)
count("floods")
observe("delivery_lag", 0.2, "announced")
share(at_once=True)
"""
FORKS = """
count("errors", 2)
for _ in range(5):
    child = os.fork()
    if child == 0:
        count("errors", 10)
        observe("delivery_lag", 0.2, "announced")
        os._exit(0)
    os.waitpid(child, 0)
"""
READER = """
import json, os
from pathlib import Path
from realtime.metrics import shared
folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
print(json.dumps([[s.name, s.labels, s.value] for f in shared.collect(folder) for s in f.samples]))
"""

Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    return {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}


@pytest.fixture
def start(environment: Mapping[str, str]) -> Iterator[Start]:
    """Starts a process, and returns when its work is done. It lives until the test ends it."""
    with ExitStack() as life:

        def started(work: str) -> "subprocess.Popen[str]":
            words = [sys.executable, "-c", PROCESS.replace("{work}", work)]
            process = life.enter_context(
                subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            life.callback(process.kill)
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
            return process

        yield started


@pytest.fixture
def read(environment: Mapping[str, str]) -> Callable[..., float | None]:
    """The value that another process reads from the folder, or None if there is none."""

    def value(name: str, **labels: str) -> float | None:
        import json

        output = subprocess.run([sys.executable, "-c", READER], env=environment, capture_output=True, check=True).stdout
        found = [value for each, its, value in json.loads(output) if (each, its) == (name, labels)]
        assert len(found) <= 1
        return found[0] if found else None

    return value


def test_the_values_of_all_processes_are_added(start: Start, read: Callable[..., float | None]) -> None:
    for _ in range(2):
        start(WORK)
    assert read("runwire_sockets") == 6
    assert read("runwire_errors_total") == 4
    assert read("runwire_refusals_total", cause="flood") == 2
    assert read("runwire_delivery_lag_seconds_bucket", way="announced", le="0.1") == 0
    assert read("runwire_delivery_lag_seconds_bucket", way="announced", le="0.25") == 2
    assert read("runwire_delivery_lag_seconds_count", way="announced") == 2
    assert read("runwire_delivery_lag_seconds_sum", way="announced") == pytest.approx(0.4)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_gauges_of_a_dead_process_are_gone_and_its_counters_stay(
    start: Start, read: Callable[..., float | None], tmp_path: Path, number: signal.Signals
) -> None:
    dead, _ = start(WORK), start(WORK)
    dead.send_signal(number)
    dead.wait()
    for _ in range(2):  # the second time its files are added up
        assert read("runwire_sockets") == 3
        assert read("runwire_errors_total") == 4
        assert read("runwire_delivery_lag_seconds_bucket", way="announced", le="0.25") == 2
        assert read("runwire_delivery_lag_seconds_count", way="announced") == 2
    assert not list(tmp_path.glob(f"*_{dead.pid}.db"))


def test_the_folder_does_not_grow_with_every_process_that_ends(
    start: Start, read: Callable[..., float | None], tmp_path: Path
) -> None:
    for ended in range(1, 4):
        process = start(WORK)
        process.kill()
        process.wait()
        assert read("runwire_errors_total") == 2 * ended
    assert {path.name for path in tmp_path.glob("*.db")} == {"counter_ended.db", "histogram_ended.db"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_children_of_a_fork_count_for_themselves(start: Start, read: Callable[..., float | None]) -> None:
    start(FORKS)
    assert read("runwire_errors_total") == 52
    assert read("runwire_delivery_lag_seconds_count", way="announced") == 5


def test_a_process_that_counts_nothing_leaves_no_file(start: Start, tmp_path: Path) -> None:
    start("")
    assert not list(tmp_path.iterdir())
