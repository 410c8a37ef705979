"""What the journal adds up to, for /metrics: counters and histograms that add, and that outlive a restart."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import get_args

import msgspec

from gateway.telemetry.metrics import BY_NAME, MAX_SERIES, METRICS, OTHER, PREFIX, Metric, MetricOwner, Sample, render
from records.comparison import Comparison
from records.exchange import Gap, GapReason
from records.record import Record
from shadow.pairing import BEHIND

MAX_MODELS = 64
"""Models with series of their own: their names come from apps."""
_NOT_ASKED = ("breaker", "busy")
"""The baseline answered in a candidate's stead, which was not even asked."""
DROPS = ("queue_full", "too_old", BEHIND, "restarted")
"""Why the shadow drops a call that the lot fell on."""
_SEPARATOR = "\x1f"
_KINDS = ("prompt_tokens", "cached_tokens", "cache_write_tokens", "completion_tokens", "reasoning_tokens")


class Histogram(msgspec.Struct, array_like=True):
    """Observations by bucket, the last for what is beyond all edges."""

    counts: list[int]
    total: float = 0.0


class _Tried(msgspec.Struct):
    """What is read of an attempt."""

    variant: str
    started_s: float | None = None
    ended_s: float | None = None


class Tally(msgspec.Struct):
    """Sums by metric and labels; labels are joined to one text, in the order of the metric's table."""

    counters: dict[str, dict[str, float]] = {}
    histograms: dict[str, dict[str, Histogram]] = {}
    models: list[str] = []

    def begin(self, routes: Iterable[str]) -> bool:
        """Have with 0 what alerts look at; whether any of it is new.

        A series that is born at 1 rises by nothing, and an alert on it sleeps through the first.
        """
        wanted = [("journal_lost_total", (reason,)) for reason in (*get_args(GapReason), "damaged", "unreadable")]
        for route in routes:
            wanted += [("shadow_total", (route, "candidate", "dropped", reason)) for reason in DROPS]
            arms = [(route, variant) for variant in ("baseline", "candidate")]
            wanted += [("feedback_total", (*arm, vote)) for arm in arms for vote in ("up", "down")]
        found = [(self.counters.setdefault(PREFIX + name, {}), labels) for name, labels in wanted]
        fresh = [(series, labels) for series, labels in found if _SEPARATOR.join(labels) not in series]
        for series, labels in fresh:
            series.setdefault(_key(series, labels), 0.0)
        return bool(fresh)

    def count(self, name: str, labels: tuple[str, ...] = (), value: float = 1) -> None:
        """Add to a counter."""
        series = self.counters.get(PREFIX + name)
        if series is None:
            series = self.counters[PREFIX + name] = {}
        key = _SEPARATOR.join(labels)
        if key not in series:  # else no label has the separator in it: no key has more of them than it should
            key = _key(series, labels)
            series.setdefault(key, 0.0)
        series[key] += value

    def observe(self, name: str, labels: tuple[str, ...], value: float) -> None:
        """Add an observation to a histogram."""
        metric = BY_NAME[PREFIX + name]
        series = self.histograms.setdefault(metric.name, {})
        histogram = series.get(_SEPARATOR.join(labels))
        if histogram is None:
            key = _key(series, labels)
            histogram = series.setdefault(key, Histogram([0] * (len(metric.buckets) + 1)))
        histogram.counts[bisect_left(metric.buckets, value)] += 1
        histogram.total += value

    def add(self, row: Record) -> None:
        """Count one exchange."""
        arm = (row.route, row.variant)
        model = self._model(row)
        self.count("requests_total", (*arm, model, f"{row.status // 100}xx" if row.status else "none"))
        self.count("records_total", ("exchanges",))
        if row.why == "fallback":
            self.count("fallbacks_total", (row.route, row.reason))
            self._add_waits(row)
        elif row.why in _NOT_ASKED:
            self.count("fallbacks_total", (row.route, row.reason or row.why))
        elif row.why in ("ineligible", "slice"):
            self.count("ineligible_total", (row.route, row.reason or row.why))
        for kind in _KINDS:
            tokens = getattr(row, kind)
            if tokens:
                self.count("tokens_total", (*arm, model, kind.removesuffix("_tokens")), tokens)
        if row.cost_usd:
            self.count("cost_usd_total", (*arm, model), row.cost_usd)
        if row.cost_usd is None and row.prompt_tokens is not None:
            self.count("unpriced_total", (*arm, model))
        if row.counterfactual_cost_usd:
            self.count("counterfactual_cost_usd_total", arm, row.counterfactual_cost_usd)
        self._add_times(row, arm)

    def baseline_models(self) -> list[tuple[str, str]]:
        """Routes, and the models that their baselines answered for."""
        asked = (key.split(_SEPARATOR) for key in self.counters.get(f"{PREFIX}requests_total", ()))
        return sorted({(route, model) for route, variant, model, _ in asked if route and variant == "baseline"})

    def add_odd(self, odd: Mapping[str, int]) -> None:
        """Count what was not read of an exchange as it should stand there, by kind."""
        for kind, number in odd.items():
            self.count("unread_total", (kind,), number)

    def _add_waits(self, row: Record) -> None:
        """What a candidate that failed cost its app in time."""
        for tried in msgspec.json.decode(row.attempts_json, type=list[_Tried]):
            if tried.variant == "candidate" and tried.started_s is not None and tried.ended_s is not None:
                self.observe("fallback_wait_seconds", (row.route,), max(0.0, tried.ended_s - tried.started_s))

    def _add_times(self, row: Record, arm: tuple[str, str]) -> None:
        if row.outcome == "tunnel":
            return
        self.observe("overhead_seconds", (), row.overhead_ms / 1000)
        if row.outcome == "complete":
            self.observe("request_seconds", arm, row.total_ms / 1000)
        if row.stream and row.first_byte_ms is not None:
            self.observe("time_to_first_token_seconds", arm, row.first_byte_ms / 1000)
        if row.tpot_ms is not None:
            self.observe("time_per_output_token_seconds", arm, row.tpot_ms / 1000)

    def add_comparison(self, row: Comparison) -> None:
        """Count one background call."""
        self.count("shadow_total", (row.route, row.asked, row.came, row.reason))
        if row.cost_usd:
            self.count("shadow_cost_usd_total", (row.route, row.asked), row.cost_usd)
        if row.judge_cost_usd:
            self.count("judge_cost_usd_total", (row.route,), row.judge_cost_usd)

    def add_gap(self, gap: Gap) -> None:
        """Count what did not get into the journal."""
        self.lose(gap.reason, gap.exchanges + gap.bodies)

    def lose(self, reason: str, number: int = 1) -> None:
        """Count exchanges that are lost, or lost in part."""
        if number:
            self.count("journal_lost_total", (reason,), number)

    def _model(self, row: Record) -> str:
        """The model's label: a name that an upstream has answered for, while there are few; else OTHER."""
        name = row.model_requested
        if not name or name in self.models:
            return name
        if 200 <= row.status < 300 and len(self.models) < MAX_MODELS:
            self.models.append(name)
            return name
        return OTHER


def expose(tally: Tally) -> str:
    """Prometheus text of the tally.

    Source: Prometheus text exposition format 0.0.4.
    """
    samples = [
        Sample(name, value, _labels(BY_NAME[name], key))
        for name, series in tally.counters.items()
        for key, value in series.items()
    ]
    return render(samples) + "".join(_histogram_lines(tally))


def _key(series: dict[str, float] | dict[str, Histogram], labels: tuple[str, ...]) -> str:
    key = _SEPARATOR.join(labels)
    if key.count(_SEPARATOR) >= max(1, len(labels)):
        key = _SEPARATOR.join(label.replace(_SEPARATOR, " ") for label in labels)
    if key in series or len(series) < MAX_SERIES:
        return key
    return _SEPARATOR.join([OTHER] * len(labels))


def _labels(metric: Metric, key: str) -> tuple[str, ...]:
    return tuple(key.split(_SEPARATOR)) if metric.labels else ()


def _histogram_lines(tally: Tally) -> Iterator[str]:
    for metric in METRICS:
        series = tally.histograms.get(metric.name)
        if metric.owner is not MetricOwner.RECORDER or not series:
            continue
        yield f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} histogram\n"
        for key, histogram in series.items():
            yield from _series_lines(metric, key, histogram)


def _series_lines(metric: Metric, key: str, histogram: Histogram) -> Iterator[str]:
    pairs = [f'{name}="{_escaped(value)}"' for name, value in zip(metric.labels, _labels(metric, key), strict=True)]
    so_far = 0
    for edge, number in zip((*map(repr, metric.buckets), "+Inf"), histogram.counts, strict=True):
        so_far += number
        labels = ",".join([*pairs, f'le="{edge}"'])
        yield f"{metric.name}_bucket{{{labels}}} {so_far}\n"
    own = "{" + ",".join(pairs) + "}" if pairs else ""
    yield f"{metric.name}_sum{own} {histogram.total!r}\n{metric.name}_count{own} {so_far}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
