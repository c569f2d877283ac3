"""The text of `/metrics`."""

import django
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

import realtime
from realtime.http import live_gauges  # noqa: F401 - registers gauges
from realtime.http.exposition import render
from realtime.metrics.definitions import GAUGES, rows

STORED = {
    "unnumbered_events": 1,
    "unnumbered_oldest_seconds": 2.5,
    "log_events": 3,
    "log_bytes": 4,
    "executions": {"QUEUED": 5, "RUNNING": 6},
    "executions_oldest_queued_seconds": 7,
    "leases_overdue": 8,
}
ONLY_SOMEWHERE = {  # under realtime.server, and with a pool of PostgreSQL
    *("sockets_behind", "sockets_paused", "send_buffer_bytes"),
    *("database_pool_limit", "database_pool_used", "database_pool_waiting"),
}


def test_everything_that_is_defined_is_exposed_and_nothing_else() -> None:
    _, body = render("", STORED, True)
    exposed = {
        family.name + "_total" * (family.type == "counter"): family.type
        for family in text_string_to_metric_families(body.decode())
        if family.name.startswith("runwire_")
    }
    defined = {row.name: row.kind for row in rows()}
    missing = set(defined) - set(exposed)
    assert {name.removeprefix("runwire_") for name in missing} <= ONLY_SOMEWHERE <= set(GAUGES)
    assert exposed == {name: kind for name, kind in defined.items() if name not in missing}


def test_a_metric_has_the_label_of_its_definition() -> None:
    _, body = render("", STORED, True)
    labels = {row.name.removesuffix("_total"): row.label for row in rows() if row.label}
    families = [each for each in text_string_to_metric_families(body.decode()) if each.name in labels]
    assert {each.name for each in families if each.samples} >= {"runwire_build_info", "runwire_executions"}
    assert all(labels[each.name] in sample.labels for each in families for sample in each.samples)


def test_the_metrics_of_the_process_are_there() -> None:
    _, body = render("", STORED, True)
    names = {family.name for family in text_string_to_metric_families(body.decode())}
    assert {"process_resident_memory_bytes", "process_open_fds", "python_info"} <= names


def test_a_gauge_has_its_label_and_the_build_its_versions() -> None:
    _, body = render("", STORED, False)
    lines = body.decode().splitlines()
    assert 'runwire_executions{status="RUNNING"} 6.0' in lines
    assert "runwire_channel_layer_up 0.0" in lines
    info = next(line for line in lines if line.startswith("runwire_build_info{"))
    assert f'version="{realtime.__version__}"' in info
    assert f'django="{django.get_version()}"' in info


@pytest.mark.parametrize("accept", ["", "*/*", "text/plain", "application/openmetrics-text; version=1.0.0"])
def test_the_text_is_valid(accept: str) -> None:
    content_type, body = render(accept, STORED, True)
    parse = parse_openmetrics if "openmetrics" in content_type else text_string_to_metric_families
    assert len(list(parse(body.decode()))) > 30
    assert "_created" not in body.decode()
