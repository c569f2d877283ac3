"""A fork while threads use the metrics. The program runs in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork"),
]

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import os, signal, threading, warnings
from realtime.metrics import count, counts, observe, values

warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, which is what is tested
is_over = threading.Event()

def work():
    while not is_over.is_set():
        count("errors")
        observe("publish", 0.1, "record")
        values.collect()

threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads:
    thread.start()
codes = set()
for _ in range(100):
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # a child that waits for a lock
        count("errors")
        observe("publish", 0.1, "record")
        exposed = [s.value for f in values.collect() for s in f.samples if s.name == "runwire_errors_total"]
        os._exit(0 if counts() == {"errors": 1} and exposed == [1] else 1)
    codes.add(os.waitpid(child, 0)[1])
is_over.set()
for thread in threads:
    thread.join()
print(codes)
"""


@pytest.mark.parametrize("is_shared", [False, True])
def test_a_child_that_is_forked_while_threads_count_starts_at_0_and_can_count(is_shared: bool, tmp_path: Path) -> None:
    """A lock that a thread of the parent holds at the fork would never be released in the child."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if is_shared:
        environment["PROMETHEUS_MULTIPROC_DIR"] = str(tmp_path)
    run = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout == "{0}\n", run.stderr
