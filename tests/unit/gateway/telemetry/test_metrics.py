import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.proxy.counters import COUNTERS, GAUGES
from gateway.supervisor.worker_metrics import samples
from gateway.telemetry.metrics import METRICS, MetricOwner, Sample, render, samples_of


def test_the_table_follows_the_conventions() -> None:
    """Names are unique and prefixed, counters end in _total, histograms have rising buckets, every row has its help."""
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert re.fullmatch(r"crossfade_[a-z0-9_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.type == "counter"), metric.name
        assert bool(metric.buckets) == (metric.type == "histogram"), metric.name
        assert list(metric.buckets) == sorted(set(metric.buckets))
        assert metric.help.endswith(".")


def test_labels_are_closed_sets() -> None:
    """Only the labels that configuration and code bound are used: no key, user or request id."""
    known = {"route", "variant", "model", "status_class", "reason", "kind", "version", "process", "revision", "table"}
    known |= {"gate", "detector", "outcome", "asked", "vote", "upstream", "state", "slice"}
    assert {label for metric in METRICS for label in metric.labels} <= known


def test_text_that_prometheus_reads() -> None:
    """Rendered samples are read back by Prometheus's own parser, label values escaped."""
    text = render([Sample("crossfade_build_info", 1, ('a"b\\c\nd',)), Sample("crossfade_killed", 0.5)])
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert families["crossfade_build_info"].samples[0].labels == {"version": 'a"b\\c\nd'}
    assert families["crossfade_killed"].samples[0].value == 0.5
    assert families["crossfade_killed"].type == "gauge"


def test_what_was_rendered_is_read_back() -> None:
    """One metric's samples out of a whole page, with labels as they were; no other's that begins alike."""
    written = [
        Sample("crossfade_records_total", 3.0, ("exchanges",)),
        Sample("crossfade_model_retires_timestamp_seconds", 1.5e9, ("triage", 'a"b\\n\nc,model="d"}')),
        Sample("crossfade_finish_timestamp_seconds", float("inf"), ("triage",)),
        Sample("crossfade_killed", 0.5),
    ]
    text = render(written)
    for sample in written:
        assert samples_of(text, sample.name) == [sample]
    assert samples_of(text, "crossfade_kill") == []


@pytest.mark.parametrize(
    ("sample", "error"), [(Sample("crossfade_nope", 1), KeyError), (Sample("crossfade_killed", 1, ("a",)), ValueError)]
)
def test_what_is_not_in_the_table_is_not_rendered(sample: Sample, error: type[Exception]) -> None:
    """A metric that was not declared, or with other labels, is a mistake and not a new metric."""
    with pytest.raises(error):
        render([sample])


def test_every_live_counter_is_shown() -> None:
    """Each counter of a worker moves one of the supervisor's metrics, and nothing but the supervisor's."""
    quiet = dict.fromkeys(COUNTERS, 0)
    alive = [dict.fromkeys((*COUNTERS, *GAUGES), 0)]
    before = render(samples(quiet, alive, now=0.0))
    for name in COUNTERS:
        assert render(samples(quiet | {name: 3_000_000}, alive, now=0.0)) != before, name
    owned = {metric.name for metric in METRICS if metric.owner is MetricOwner.SUPERVISOR}
    assert {sample.name for sample in samples(quiet, alive, now=0.0)} <= owned


def test_gauges_of_several_workers() -> None:
    """Counts are summed; of lag, age and flags the worst worker's is shown; without workers nothing is made up."""
    quiet = dict.fromkeys(COUNTERS, 0)
    first = dict.fromkeys((*COUNTERS, *GAUGES), 0) | {
        "in_flight": 2,
        "loop_lag_us": 5000,
        "table_seen_at": 90,
        "killed": 1,
    }
    second = dict.fromkeys((*COUNTERS, *GAUGES), 0) | {"in_flight": 3, "table_version": 7, "table_seen_at": 95}
    found = {sample.name: sample.value for sample in samples(quiet, [first, second], now=100.0)}
    assert found["crossfade_worker_in_flight"] == 5
    assert found["crossfade_worker_loop_lag_seconds"] == 0.005
    assert found["crossfade_routing_table_age_seconds"] == 10
    assert found["crossfade_routing_table_version"] == 0
    assert found["crossfade_killed"] == 1
    nobody = {sample.name for sample in samples(quiet, [], now=100.0)}
    assert "crossfade_routing_table_age_seconds" not in nobody
    assert "crossfade_workers" in nobody
