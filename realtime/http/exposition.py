"""What `/metrics` answers: the metrics of this process, or of all that share a folder, and what was read elsewhere."""

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from prometheus_client import PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from realtime import __version__
from realtime.http.stored_gauges import Value
from realtime.metrics import shared, values
from realtime.metrics.definitions import BUILD_INFO, BUILD_INFO_HELP, PREFIX, STORED_GAUGES

_PACKAGES = ("django", "channels", "channels-redis", "daphne", "pydantic")


def render(accept: str, stored: dict[str, Value] | None, is_layer_up: bool) -> tuple[str, bytes]:
    """The content type and the body. `stored` is None if the database did not answer."""
    encode, content_type = choose_encoder(accept)
    figures = {**(stored or {}), "database_up": stored is not None, "channel_layer_up": is_layer_up}
    families = [*_collect(), *_stored_families(figures), _build_info()]
    return content_type, encode(_Collected(families))


class _Collected:
    """Metrics that are collected already, as the encoders want them."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _collect() -> list[Metric]:
    """The metrics of this process, or of all that share a folder. The time at which each series began is left out."""
    families = values.collect()
    if values.IS_SHARED:
        families = shared.collect(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
    else:
        for collector in _PROCESS:
            families += collector.collect()
    for family in families:
        family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
    return families


def _stored_families(figures: dict[str, Any]) -> Iterable[Metric]:
    for name, definition in STORED_GAUGES.items():
        if name in figures:
            labels = [definition.label] if definition.label else []
            family = GaugeMetricFamily(f"{PREFIX}{name}", definition.help, labels=labels)
            by_label = figures[name] if definition.label else {"": figures[name]}
            for label, value in by_label.items():
                family.add_metric([label] if labels else [], float(value))
            yield family


def _build_info() -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}{BUILD_INFO}", BUILD_INFO_HELP, labels=list(_VERSIONS))
    family.add_metric(list(_VERSIONS.values()), 1)
    return family


def _version_of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


_VERSIONS = {
    "version": __version__,
    "python": platform.python_version(),
    **{package.replace("-", "_"): _version_of(package) for package in _PACKAGES},
}
_PROCESS = [make(registry=None) for make in (ProcessCollector, PlatformCollector)]
