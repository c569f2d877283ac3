"""The values of a process: counters, histograms and gauges."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from realtime.metrics import add_gauges, count, counts, observe, sent, values


def sample(name: str, **labels: str) -> float:
    """A value as `/metrics` has it."""
    samples = [each for family in values.collect() for each in family.samples]
    (found,) = [each.value for each in samples if (each.name, each.labels) == (name, labels)]
    return float(found)


def test_a_counter_grows_by_one_or_by_the_given_number() -> None:
    before, exposed = counts().get("errors", 0), sample("runwire_errors_total")
    count("errors")
    count("errors", 4)
    assert counts()["errors"] == before + 5
    assert sample("runwire_errors_total") == exposed + 5


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(KeyError, match="no_such_counter"):
        count("no_such_counter")
    with pytest.raises(KeyError, match="no_such_histogram"):
        observe("no_such_histogram", 1.0, "announced")
    with pytest.raises(KeyError, match="no_such_way"):
        observe("delivery_lag", 1.0, "no_such_way")


def test_refusals_are_one_counter_with_their_causes() -> None:
    before = sample("runwire_refusals_total", cause="flood")
    count("floods")
    assert sample("runwire_refusals_total", cause="flood") == before + 1


def test_a_counter_that_is_0_is_exposed() -> None:
    """Prometheus sees no step from nothing to 1."""
    assert sample("runwire_refusals_total", cause="auth_4002") >= 0


def test_an_observation_is_in_its_bucket_and_in_all_above() -> None:
    def buckets() -> list[float]:
        return [
            sample("runwire_delivery_lag_seconds_bucket", way="repaired", le=le) for le in ("1.0", "2.5", "5.0", "+Inf")
        ]

    before = buckets()
    observe("delivery_lag", 2.0, "repaired")
    assert [now - then for now, then in zip(buckets(), before, strict=True)] == [0, 1, 1, 1]


def test_what_was_sent_is_counted_in_frames_and_bytes() -> None:
    before = {name: sample(f"runwire_{name}_total") for name in ("sent_frames", "sent_bytes")}
    sent.add("abc", sockets=10)
    sent.add("é")
    assert sample("runwire_sent_frames_total") == before["sent_frames"] + 11
    assert sample("runwire_sent_bytes_total") == before["sent_bytes"] + 32
    assert counts()["sent_frames"] == sample("runwire_sent_frames_total")


def test_gauges_are_read_when_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(values, "_gauge_sources", [])
    figures = {"sockets": 1}
    add_gauges(lambda: figures)
    assert sample("runwire_sockets") == 1
    figures["sockets"] = 7
    assert sample("runwire_sockets") == 7


def test_concurrent_threads_lose_no_count() -> None:
    before = counts().get("layer_errors", 0)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(lambda: [count("layer_errors") for _ in range(2_000)])
    assert counts()["layer_errors"] == before + 16_000


def test_counts_are_a_copy() -> None:
    count("errors")
    counts()["errors"] = -1
    assert counts()["errors"] > 0
