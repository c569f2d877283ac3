"""The values of this process, kept by prometheus_client.

One process alone needs no configuration. With PROMETHEUS_MULTIPROC_DIR set, each process keeps its values in files of
that folder, and any of them can show the sum of all (shared.py).

Every use of a metric holds `_lock`, and a fork waits for it. So no lock inside prometheus_client is ever held by a
thread that does not exist in the child. A child starts at 0.
"""

import os
from collections import Counter as Tally
from collections.abc import Callable, Mapping
from threading import RLock
from time import monotonic

import prometheus_client as prometheus
from prometheus_client.metrics_core import Metric

from realtime.metrics.definitions import COUNTERS, GAUGES, HISTOGRAMS, PREFIX, REFUSALS, REFUSALS_HELP

IS_SHARED = "PROMETHEUS_MULTIPROC_DIR" in os.environ  # prometheus_client reads it at its import, too
SHARE_INTERVAL = 5.0  # seconds between two updates of the shared gauges; Prometheus asks every 15 s or less often

_lock = RLock()  # reentrant, since a signal handler may count
_registry = prometheus.CollectorRegistry()
_counts: Tally[str] = Tally()
_counters: dict[str, prometheus.Counter] = {}  # by the name that `count` takes
_histograms: dict[tuple[str, str], prometheus.Histogram] = {}  # by name and value of the label
_gauges: dict[str, prometheus.Gauge] = {}
_families: dict[str, prometheus.Counter | prometheus.Histogram] = {}  # metrics with a label, by name
_gauge_sources: list[Callable[[], Mapping[str, float]]] = []
_last_share = 0.0  # `monotonic()`


class Sent:
    """Frames and bytes that went out. Plain numbers, since a fan-out adds to them; a read of the counters takes them
    over. For the thread of the event loop."""

    def __init__(self) -> None:
        self.frames = self.bytes = 0

    def add(self, frame: str, sockets: int = 1) -> None:
        """The frame went out to this many sockets."""
        self.frames += sockets
        self.bytes += sockets * (len(frame) if frame.isascii() else len(frame.encode()))

    def take_over(self) -> None:
        """Adds to the counters what went out since the last call."""
        with _lock:
            if self.frames > _counts["sent_frames"]:
                count("sent_frames", self.frames - _counts["sent_frames"])
                count("sent_bytes", self.bytes - _counts["sent_bytes"])


sent = Sent()


def count(name: str, by: int = 1) -> None:
    """Adds to a counter. Thread-safe. Raises KeyError for a name that is not in definitions.py."""
    with _lock:
        (_counters.get(name) or _make_counter(name)).inc(by)
        _counts[name] += by


def counts() -> dict[str, int]:
    """A copy of all counters, since the start of the process. A counter that is still 0 is absent."""
    sent.take_over()
    with _lock:
        return {name: number for name, number in _counts.items() if number}


def observe(name: str, seconds: float, label: str) -> None:
    """Adds an observation to a histogram, under this value of its label. Thread-safe. Raises KeyError for a name or a
    value that is not in definitions.py."""
    with _lock:
        (_histograms.get((name, label)) or _make_histogram(name, label)).observe(seconds)


def add_gauges(read: Callable[[], Mapping[str, float]]) -> None:
    """`read` returns gauges by name. It is called in any thread, when the gauges are wanted."""
    _gauge_sources.append(read)


def refresh() -> None:
    """Reads all gauges of this process, and the numbers of what was sent."""
    sent.take_over()
    for read in _gauge_sources:
        for name, value in read().items():
            with _lock:
                (_gauges.get(name) or _make_gauge(name)).set(value)


def share(*, at_once: bool = False) -> None:
    """Shows the gauges of this process to the other ones. Does nothing without a shared folder, nor within
    SHARE_INTERVAL after the last call, unless `at_once`."""
    global _last_share
    if IS_SHARED and (at_once or monotonic() - _last_share >= SHARE_INTERVAL):
        _last_share = monotonic()
        refresh()


def collect() -> list[Metric]:
    """The metrics of this process. A counter that is still 0 is there, too: Prometheus would not see its first step
    otherwise."""
    with _lock:
        for name in (*COUNTERS, *REFUSALS):
            _counters.get(name) or _make_counter(name)
        for name, definition in HISTOGRAMS.items():
            for label in definition.values:
                _histograms.get((name, label)) or _make_histogram(name, label)
    refresh()
    with _lock:
        return list(_registry.collect())


# A metric is made at its first use: a command that counts nothing leaves no file in the shared folder.


def _make_counter(name: str) -> prometheus.Counter:
    if name in REFUSALS:
        family = _families.get("refusals")
        if family is None:
            family = prometheus.Counter(f"{PREFIX}refusals", REFUSALS_HELP, ["cause"], registry=_registry)
            _families["refusals"] = family
        counter: prometheus.Counter = family.labels(REFUSALS[name].cause)  # type: ignore[assignment]
    else:
        counter = prometheus.Counter(f"{PREFIX}{name}", COUNTERS[name], registry=_registry)
    _counters[name] = counter
    return counter


def _make_histogram(name: str, label: str) -> prometheus.Histogram:
    definition = HISTOGRAMS[name]
    if label not in definition.values:
        raise KeyError(label)
    family = _families.get(name)
    if family is None:
        family = _families[name] = prometheus.Histogram(
            f"{PREFIX}{name}_seconds",
            definition.help,
            [definition.label],
            buckets=definition.buckets,
            registry=_registry,
        )
    histogram: prometheus.Histogram = family.labels(label)  # type: ignore[assignment]
    _histograms[name, label] = histogram
    return histogram


def _make_gauge(name: str) -> prometheus.Gauge:
    _gauges[name] = prometheus.Gauge(f"{PREFIX}{name}", GAUGES[name], registry=_registry, multiprocess_mode="livesum")
    return _gauges[name]


# Forks


def _acquire() -> None:
    _lock.acquire()


def _release() -> None:
    _lock.release()


def _reset_after_fork() -> None:
    global _lock, _registry
    _lock, _registry = RLock(), prometheus.CollectorRegistry()
    for values in (_counts, _counters, _histograms, _gauges, _families):
        values.clear()
    sent.frames = sent.bytes = 0


os.register_at_fork(before=_acquire, after_in_parent=_release, after_in_child=_reset_after_fork)
