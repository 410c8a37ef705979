"""Every metric Crossfade has, in one table. `docs/reference/metrics.md` is generated from it.

Rules:
1. A metric has one owner, the process that computes it: the supervisor answers `/metrics` by joining the owners' texts,
   and a family that stood in two of them would make the page unreadable.
2. Labels are closed sets: names from the configuration and words from the code, never text from a request.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

PREFIX = "crossfade_"
MAX_SERIES = 1000
"""Series a metric may have; a label value beyond them is counted as OTHER."""
OTHER = "other"

# The same edges as the serving engines', so that panels compare like with like.
TTFT_BUCKETS = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0),
)
TPOT_BUCKETS = (
    0.01,
    0.025,
    0.05,
    0.075,
    0.1,
    0.15,
    0.2,
    0.3,
    0.4,
    0.5,
    0.75,
    1.0,
    2.5,
    5.0,
    7.5,
    10.0,
    20.0,
    40.0,
    80.0,
)
TOTAL_BUCKETS = (
    *(0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0),
    *(120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0),
)
_LINE = re.compile(r"\w+(?:\{(.*)\})? (\S+)")
_LABEL = re.compile(r'\w+="((?:[^"\\]|\\.)*)"')
_ESCAPED = {r"\\": "\\", r"\"": '"', r"\n": "\n"}
OVERHEAD_BUCKETS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class MetricOwner(StrEnum):
    """The process that computes a metric."""

    SUPERVISOR = "supervisor"
    CONTROLLER = "controller"
    RECORDER = "recorder"
    SHADOW = "shadow"
    EXPORTER = "exporter"
    ARCHIVER = "archiver"


EXPOSED = tuple(owner for owner in MetricOwner if owner is not MetricOwner.SUPERVISOR)
"""Processes that leave their part of `/metrics` as a file."""
Type = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: one row of the table."""

    name: str
    """With its prefix, as it is scraped."""
    type: Type
    owner: MetricOwner
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


def _rows(owner: MetricOwner, *rows: tuple[str, Type, str, tuple[str, ...], tuple[float, ...]]) -> tuple[Metric, ...]:
    return tuple(
        Metric(PREFIX + name, kind, owner, text, labels, buckets) for name, kind, text, labels, buckets in rows
    )


_ARM = ("route", "variant")
_GATE = ("route", "gate")
_DETECTOR = ("route", "detector")

METRICS: tuple[Metric, ...] = (
    *_rows(
        MetricOwner.SUPERVISOR,
        ("build_info", "gauge", "Always 1; the version that runs.", ("version",), ()),
        ("workers", "gauge", "Workers that accept requests.", (), ()),
        ("process_restarts_total", "counter", "Processes started anew because they had ended.", ("process",), ()),
        (
            "exposed_age_seconds",
            "gauge",
            "Since a process last wrote its part of this page: what it says of itself is as old.",
            ("process",),
            (),
        ),
        ("worker_requests_total", "counter", "Requests admitted.", (), ()),
        ("worker_shed_total", "counter", "Requests refused for overload.", (), ()),
        ("worker_refused_total", "counter", "Requests the gateway refused for any other reason.", (), ()),
        ("worker_app_gone_total", "counter", "Apps that hung up before the end of their answer.", (), ()),
        ("worker_upstream_errors_total", "counter", "Attempts at the baseline that failed.", (), ()),
        ("worker_candidate_errors_total", "counter", "Attempts at a candidate without a first byte.", (), ()),
        ("worker_fallbacks_total", "counter", "Requests the baseline answered in a candidate's stead.", (), ()),
        ("worker_broken_total", "counter", "Answers that ended in the middle.", (), ()),
        ("worker_breaker_opened_total", "counter", "Times a worker stopped asking a candidate.", (), ()),
        ("worker_lost_exchanges_total", "counter", "Exchanges that did not get into the journal.", (), ()),
        ("worker_lost_bodies_total", "counter", "Exchanges whose bodies did not get into the journal.", (), ()),
        ("worker_sync_errors_total", "counter", "Times the disk refused to make the journal durable.", (), ()),
        ("worker_parse_errors_total", "counter", "Connections closed for malformed HTTP.", (), ()),
        ("worker_hook_errors_total", "counter", "Faults of our own, caught at a fence.", (), ()),
        ("worker_responses_total", "counter", "Answers by class of status.", ("status_class",), ()),
        (
            "worker_overhead_seconds_total",
            "counter",
            "Time before the upstream was asked, summed.",
            (),
            (),
        ),
        ("worker_in_flight", "gauge", "Requests under way.", (), ()),
        ("worker_connections", "gauge", "Connections of apps.", (), ()),
        ("worker_upstream_connections", "gauge", "Connections to upstreams.", (), ()),
        ("worker_draining", "gauge", "Workers that finish what they have and accept nothing more.", (), ()),
        ("worker_breakers_open", "gauge", "Candidates that workers do not ask, or only probe.", (), ()),
        ("breaker_open", "gauge", "Workers that do not ask the route's candidate, or only probe it.", ("route",), ()),
        ("worker_loop_lag_seconds", "gauge", "Worst delay of a worker's loop in the last second.", (), ()),
        ("killed", "gauge", "1 while the kill file stands: baseline only.", (), ()),
        ("lease_expired", "gauge", "1 while a worker serves past the routing table's grace.", (), ()),
        ("routing_table_version", "gauge", "Version of the oldest routing table a worker serves from.", (), ()),
        ("routing_table_age_seconds", "gauge", "Age of the oldest lease a worker serves under.", (), ()),
    ),
    *_rows(
        MetricOwner.CONTROLLER,
        ("weight_ratio", "gauge", "Share of eligible traffic the candidate answers.", ("route",), ()),
        (
            "served_ratio",
            "gauge",
            "Share of the requests lately assigned to the candidate that it really answered. On the node that leads.",
            ("route",),
            (),
        ),
        (
            "slice_moving",
            "gauge",
            "1: the slice is certified by itself and moves; 0: it stays with the baseline (`mode: partial`).",
            ("route", "slice"),
            (),
        ),
        ("uncertified", "gauge", "1: a fixed split, whose weight nothing certifies (`mode: split`).", ("route",), ()),
        ("policy_info", "gauge", "Always 1; the candidate's revision in force.", ("route", "revision"), ()),
        ("policy_errors", "gauge", "Policy files that do not load; their last good version stays in force.", (), ()),
        (
            "finish_timestamp_seconds",
            "gauge",
            "Unix time at which the candidate has all traffic, at today's pace; +Inf: never. On the node that leads.",
            ("route",),
            (),
        ),
        ("stage", "gauge", "Rung of the ladder, from 0, the shadow. On the node that leads.", ("route",), ()),
        (
            "suspended",
            "gauge",
            "1: an alarm took its traffic, until it was tried. On the node that leads.",
            ("route",),
            (),
        ),
        ("units", "gauge", "Conversations counted in this stage. On the node that leads.", ("route",), ()),
        ("gate_estimate", "gauge", "What a gate measures, as it is estimated now.", _GATE, ()),
        ("gate_lower", "gauge", "Lower confidence bound, valid at all looks together.", _GATE, ()),
        ("gate_upper", "gauge", "Upper confidence bound, valid at all looks together.", _GATE, ()),
        ("gate_limit", "gauge", "What the gate holds the estimate against.", _GATE, ()),
        ("gate_log10_e", "gauge", "Evidence for the certificate, as a power of ten.", _GATE, ()),
        ("gate_verdict", "gauge", "0 PASS, 1 INCONCLUSIVE, 2 ERROR, 3 FAIL.", _GATE, ()),
        ("detector_log10", "gauge", "Height of a rollback detector, as a power of ten.", _DETECTOR, ()),
        ("decisions_total", "counter", "Decisions that moved something.", ("route", "outcome"), ()),
        ("evidence_lag_seconds", "gauge", "How late the controller reads the journals.", (), ()),
        (
            "late_requests",
            "gauge",
            "Requests of this stage that were told after their conversation was counted. On the node that leads.",
            ("route",),
            (),
        ),
        (
            "skipped_requests",
            "gauge",
            "Requests of this stage that were drawn and not asked after all. On the node that leads.",
            ("route", "reason"),
            (),
        ),
        (
            "evidence_discarded_total",
            "counter",
            "Exchanges and comparisons that count nowhere: unknown_table, comparison_lost, comparison_alone.",
            ("route", "reason"),
            (),
        ),
        ("outbox_events", "gauge", "Events that the shared state does not have yet.", (), ()),
        ("leader", "gauge", "1 on the node that evaluates.", (), ()),
        (
            "state_refused_total",
            "counter",
            "Records of the shared state that were not ours, and were not taken.",
            (),
            (),
        ),
        ("state_restored_total", "counter", "Records that the shared state had lost, and that were put back.", (), ()),
        ("webhooks_total", "counter", "Notifications, by what became of them.", ("outcome",), ()),
    ),
    *_rows(
        MetricOwner.RECORDER,
        ("requests_total", "counter", "Exchanges recorded.", ("route", "variant", "model", "status_class"), ()),
        ("request_seconds", "histogram", "From a request's arrival to its answer's last byte.", _ARM, TOTAL_BUCKETS),
        ("time_to_first_token_seconds", "histogram", "Of streams: from arrival to the first byte.", _ARM, TTFT_BUCKETS),
        ("time_per_output_token_seconds", "histogram", "Between tokens of a streamed answer.", _ARM, TPOT_BUCKETS),
        ("tokens_total", "counter", "Tokens, by kind.", ("route", "variant", "model", "kind"), ()),
        ("cost_usd_total", "counter", "What the answers cost.", ("route", "variant", "model"), ()),
        ("unpriced_total", "counter", "Answers whose cost is not known.", ("route", "variant", "model"), ()),
        ("counterfactual_cost_usd_total", "counter", "What the baseline would have charged for them.", _ARM, ()),
        (
            "fallbacks_total",
            "counter",
            "Answers by the baseline in a candidate's stead: it failed, or was not asked (breaker, busy, …).",
            ("route", "reason"),
            (),
        ),
        (
            "fallback_wait_seconds",
            "histogram",
            "How long an app waited for a candidate in vain, before the baseline was asked.",
            ("route",),
            TTFT_BUCKETS,
        ),
        ("ineligible_total", "counter", "Requests the candidate may not be asked.", ("route", "reason"), ()),
        ("overhead_seconds", "histogram", "Time in the gateway before the upstream was asked.", (), OVERHEAD_BUCKETS),
        ("journal_lag_seconds", "gauge", "Age of the oldest exchange that is not yet recorded.", (), ()),
        ("records_damaged_files", "gauge", "Files of the records that nobody can read, set aside.", (), ()),
        (
            "model_retires_timestamp_seconds",
            "gauge",
            "Unix time at which its provider turns off a model that a route's baseline answers with, where known.",
            ("route", "model"),
            (),
        ),
        ("journal_lost_total", "counter", "Exchanges or bodies not in the journal.", ("reason",), ()),
        (
            "unread_total",
            "counter",
            "Parts of exchanges not read as they should stand there: docs/reference/dialects.md.",
            ("kind",),
            (),
        ),
        ("records_total", "counter", "Rows written to the records.", ("table",), ()),
        ("feedback_total", "counter", "Answers voted on, by the first vote: up, down, none.", (*_ARM, "vote"), ()),
        ("shadow_total", "counter", "Background calls the lot fell on.", ("route", "asked", "outcome", "reason"), ()),
        ("shadow_cost_usd_total", "counter", "What background calls cost.", ("route", "asked"), ()),
        ("judge_cost_usd_total", "counter", "What judging cost.", ("route",), ()),
        (
            "gpu_seconds_total",
            "counter",
            "Replica-seconds of servers that are paid by the hour (prices.candidate), minutes late.",
            ("upstream", "state"),
            (),
        ),
        ("gpu_cost_usd_total", "counter", "What those seconds cost: busy, idle.", ("upstream", "state"), ()),
        ("gpu_answers_total", "counter", "Answers that bear it, background calls included.", ("upstream",), ()),
        ("gpu_uncharged_usd", "gauge", "Paid since the last answer: the next one bears it.", ("upstream",), ()),
    ),
    *_rows(
        MetricOwner.SHADOW,
        ("shadow_queue", "gauge", "Background calls that wait.", ("route",), ()),
        ("shadow_in_flight", "gauge", "Background calls under way.", ("route",), ()),
        ("judge_suspended", "gauge", "1: hidden controls suspended the route's judge.", ("route",), ()),
        (
            "shadow_key_refused",
            "gauge",
            "Background calls in a row that the candidate's upstream refused for its key (401, 403, or none).",
            ("route",),
            (),
        ),
        (
            "shadow_estimated_usd",
            "gauge",
            "Charged to the route's budget since the shadow's start for calls whose price nobody knows.",
            ("route",),
            (),
        ),
        ("shadow_budget_spent", "gauge", "1 while the day's money for comparing is gone.", ("route",), ()),
        ("shadow_lag_seconds", "gauge", "Age of the oldest exchange that the shadow has not read.", (), ()),
        (
            "engine_silent",
            "gauge",
            "1: an engine does not say how many requests wait in it, so `pause_when` does nothing there.",
            ("upstream",),
            (),
        ),
    ),
    *_rows(
        MetricOwner.EXPORTER,
        ("otel_exported_total", "counter", "Spans that the collector took.", (), ()),
        (
            "otel_dropped_total",
            "counter",
            "Spans it did not: expired (older than the journal), refused, rejected; unread: pieces of journals.",
            ("reason",),
            (),
        ),
        ("otel_lag_seconds", "gauge", "Age of the oldest exchange that the collector has not taken.", (), ()),
    ),
    *_rows(
        MetricOwner.ARCHIVER,
        ("archive_files_total", "counter", "Files of the records that were copied to the archive.", (), ()),
        ("archive_bytes_total", "counter", "Their bytes.", (), ()),
        ("archive_failures_total", "counter", "Looks in which the archive or the disk refused.", (), ()),
        ("archive_lag_seconds", "gauge", "Age of the oldest file of the records that is not in the archive.", (), ()),
    ),
)

BY_NAME: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one series: a counter's or a gauge's."""

    name: str
    """As in the table."""
    value: float
    labels: tuple[str, ...] = ()
    """In the order of the metric's label names."""


def render(samples: Iterable[Sample]) -> str:
    """Prometheus text of counters and gauges, families in the table's order.

    Raises:
        KeyError: a sample of a metric the table does not have.
        ValueError: a sample with more or fewer labels than its metric has.

    Source: Prometheus text exposition format 0.0.4.
    """
    by_family: dict[str, list[Sample]] = {}
    for sample in samples:
        by_family.setdefault(BY_NAME[sample.name].name, []).append(sample)
    lines: list[str] = []
    for metric in METRICS:
        found = by_family.get(metric.name, ())
        if found:
            lines += (f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.type}")
            lines += (f"{metric.name}{_labels(metric, sample.labels)} {_number(sample.value)}" for sample in found)
    return "".join(f"{line}\n" for line in lines)


def samples_of(text: str, name: str) -> list[Sample]:
    """The samples of one counter or gauge in such a text, as `render` or another process wrote it."""
    found = (_LINE.fullmatch(line) for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{")))
    return [
        Sample(name, float(line[2]), tuple(map(_unescaped, _LABEL.findall(line[1] or ""))))
        for line in found
        if line is not None
    ]


def _number(value: float) -> str:
    return "+Inf" if value == math.inf else repr(value)


def _labels(metric: Metric, values: tuple[str, ...]) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(metric.labels, values, strict=True))
    return f"{{{pairs}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _unescaped(value: str) -> str:
    return re.sub(r"\\.", lambda pair: _ESCAPED.get(pair[0], pair[0]), value)
