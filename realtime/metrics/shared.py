"""The values of all processes that share the folder PROMETHEUS_MULTIPROC_DIR.

Each process has a file for each kind of metric, with its id in the name. The gauges of a process that has ended count
no more. Its counters and histograms go on counting: they are added to one file, so that a pool that replaces its
workers all the time does not fill the folder. All readers of the folder take a lock, since an event must not be counted
twice, or not at all, while a file is added.

The processes must be of one machine, and of one container if there are any.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector

_LOCK, _ENDED = "runwire.lock", "ended"


def collect(folder: Path) -> list[Metric]:
    """The metrics of all processes."""
    with _locked(folder):
        for kind in ("counter", "histogram"):
            _add_up(folder, kind, [file for file in folder.glob(f"{kind}_*.db") if _has_ended(file)])
        for file in folder.glob("gauge_live*.db"):
            if _has_ended(file):
                file.unlink(missing_ok=True)  # as `mark_process_dead` does, which others may have called
        return list(MultiProcessCollector(None, str(folder)).collect())


def _add_up(folder: Path, kind: str, files: list[Path]) -> None:
    """Adds the values of the files to the file of the ended processes, and removes them."""
    if not files:
        return
    total, new = folder / f"{kind}_{_ENDED}.db", folder / f"{kind}_{_ENDED}.new"
    new.unlink(missing_ok=True)
    values = MmapedDict(str(new))
    former = [total] if total.exists() else []
    for metric in MultiProcessCollector.merge([str(file) for file in (*former, *files)], accumulate=False):
        for sample in metric.samples:
            labels = list(sample.labels)
            key = mmap_key(
                metric.name, sample.name, labels, [sample.labels[name] for name in labels], metric.documentation
            )
            values.write_value(key, sample.value, 0.0)
    values.close()
    new.replace(total)
    for file in files:
        file.unlink()


def _has_ended(file: Path) -> bool:
    """Whether the process that wrote the file has ended."""
    pid = file.stem.rpartition("_")[2]
    if not pid.isdecimal():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # of another user
    return False


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / _LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
