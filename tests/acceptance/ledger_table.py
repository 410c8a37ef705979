"""Every expression of every board asked of both sides, and the table that stands them side by side."""

import json
import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import yaml

from tests.acceptance.ledger_page import EDGES, Books, Labels
from tests.acceptance.prometheus_server import Prometheus
from tools import dashboards

Series = dict[str, float]
OURS, THEIRS = "crossfade", "ledger"
ANY = {f"${name}": ".*" for name in ("instance", "route", "gate", "engine")}
TOLERANCE, RENT_TOLERANCE, BUSY_TOLERANCE = 0.03, 0.10, 0.25
"""Two scrapes' phases; the second in which the recorder hears of an answer; what lies between app and server."""
BOUNDED = ("_lag_seconds", "crossfade_overhead_seconds", "exposed_age_seconds")
AGE_S = 2.0
"""Between two looks at one file."""
ENGINES = ("vllm:", "sglang:", "nv_inference_")
SOURCES = (
    (r"^up", "the process"),
    (r"vllm:|sglang:|nv_", "engines' pages"),
    (r"_lag_seconds|overhead_seconds|exposed_age", "at most: the app's clock"),
    (r"routing_table_age", "the file's age"),
    (r"gpu_", "wall clock, price by hand"),
    (r"gate_estimate", "planned answers; explain --json"),
    (r"gate_|detector_", "explain --json"),
    (r"leader|killed|lease_expired|suspended|restarts|policy_errors|damaged|silent", "what was done to it"),
    (r"weight_ratio|stage|policy_info|breaker_open|decisions_total", "policies, orders"),
    (r"units|served_ratio|key_refused|shadow_queue|shadow_in_flight", "app and servers"),
    (r"records_total", "app, servers, files"),
    (r"", "servers and app"),
)


P95_S = 0.95
"""Half of what the pages show is below 0.5 s, all of it below 1 s."""
PAGES: dict[str, dict[str, float]] = {
    "vllm": {
        "vllm:num_requests_running": 6, "vllm:num_requests_waiting": 2, "vllm:kv_cache_usage_perc": 0.41,
        "vllm:prompt_tokens_total": 900, "vllm:generation_tokens_total": 300, "vllm:num_preemptions_total": 1,
        "vllm:time_to_first_token_seconds": P95_S, "vllm:inter_token_latency_seconds": P95_S,
    },
    "sglang": {
        "sglang:num_running_reqs": 5, "sglang:num_queue_reqs": 3, "sglang:token_usage": 0.33,
        "sglang:cache_hit_rate": 0.72, "sglang:prompt_tokens_total": 900, "sglang:generation_tokens_total": 300,
        "sglang:time_to_first_token_seconds": P95_S, "sglang:inter_token_latency_seconds": P95_S,
    },
    "triton": {
        "nv_inference_queue_duration_us": 0.0052, "nv_inference_request_success": 10,
        "nv_inference_request_failure": 1, "nv_inference_pending_request_count": 1, "vllm:num_requests_waiting": 6,
    },
}  # fmt: skip
"""What engines' pages say, by hand: gauges, what counters rise by with each look, quantiles, a mean."""
LOOKS = {
    "vllm": "vllm:num_preemptions_total", "triton": "nv_inference_request_failure",
    "sglang": "sglang:num_aborted_requests_total",
}  # fmt: skip
"""What rises by one with each look."""
RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "rules" / "crossfade.yml"
DROPPED = {"job", "instance", "__name__"}
LIMIT = re.compile(r" (==|>|<) [\d.]+$")
QUIET = 0.0
"""Of an alert that has nothing to say."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One expression of a panel."""

    board: str
    panel: str
    expr: str

    @property
    def is_of_engines(self) -> bool:
        """Asked of engines' own pages."""
        return any(name in self.expr for name in ENGINES)

    @property
    def source(self) -> str:
        """Who knows better."""
        return next(text for pattern, text in SOURCES if re.search(pattern, self.expr))

    def of(self, job: str, width: str) -> str:
        """As it is asked of one side."""
        text = self.expr.replace("$job", job).replace("$__rate_interval", width).replace("$__range", width)
        for name, value in ANY.items():
            text = text.replace(name, value)
        return text


@dataclass(frozen=True, slots=True)
class Line:
    """One series of one expression."""

    asked: Asked
    labels: str
    ours: float | None
    theirs: float | None

    @property
    def is_equal(self) -> bool:
        """Whether both sides say the same, as nearly as this can be known."""
        ours, theirs, expr = self.ours, self.theirs, self.asked.expr
        if ours is None or theirs is None:
            return False
        if "routing_table_age" in expr:
            return abs(ours - theirs) < AGE_S
        if any(name in expr for name in BOUNDED):
            return 0 <= ours <= theirs
        edges = next((edges for name, edges in EDGES.items() if f"{name}_bucket" in expr), None)
        if edges is not None and not math.isnan(ours):
            return abs(bisect_left(edges, ours) - bisect_left(edges, theirs)) <= 1
        return math.isclose(ours, theirs, rel_tol=self._tolerance, abs_tol=1e-9) or (
            math.isnan(ours) and math.isnan(theirs)
        )

    @property
    def _tolerance(self) -> float:
        if "busy" in self.labels:
            return BUSY_TOLERANCE
        is_rent = "gpu_" in self.asked.expr or "cost_usd" in self.asked.expr
        return RENT_TOLERANCE if is_rent else TOLERANCE


def expressions() -> Iterator[Asked]:
    """Of all boards, as Grafana has them."""
    for name, text in dashboards.pages().items():
        for panel in json.loads(text)["panels"]:
            for target in panel.get("targets", ()):
                yield Asked(name.removesuffix(".json"), panel["title"], target["expr"])


def series(prometheus: Prometheus, expr: str, at: float) -> Series:
    """What it comes to, without the names that tell the sides apart."""
    found: Series = {}
    for each in prometheus.query(expr, at):
        found[_labels(each["metric"])] = float(each["value"][1])
    return found


def _labels(metric: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(metric.items()) if name not in DROPPED)


def lines(prometheus: Prometheus, asked: Asked, width: str, at: float) -> list[Line]:
    """An expression's series, of both sides."""
    ours, theirs = (series(prometheus, asked.of(job, width), at) for job in (OURS, THEIRS))
    return [Line(asked, labels, ours.get(labels), theirs.get(labels)) for labels in sorted({*ours, *theirs})]


def engine_lines(prometheus: Prometheus, asked: Asked, width: str, at: float, ports: Mapping[str, int]) -> list[Line]:
    """One of engines' own pages, beside what its page says: counters rise by so much with each look."""
    kinds = {f"127.0.0.1:{port}": kind for kind, port in ports.items()}
    rows: list[Line] = []
    for each in prometheus.query(asked.of(OURS, width), at):
        kind = kinds[each["metric"]["instance"]]
        metric = next(name for name in PAGES[kind] if re.search(rf"{name}\b|{name}_bucket", asked.expr))
        says = PAGES[kind][metric]
        if "rate(" in asked.expr and "histogram_quantile" not in asked.expr and " / " not in asked.expr:
            says *= sum(series(prometheus, f"sum(rate({LOOKS[kind]}[{width}]))", at).values())
        rows.append(Line(asked, f"engine={kind}", float(each["value"][1]), says))
    return rows or [Line(asked, "", None, None)]


@dataclass(frozen=True, slots=True)
class Risen:
    """What the books rose by."""

    before: Books
    after: Books
    seconds: float

    def of(self, name: str, **labels: str) -> float:
        """In all series of these labels."""
        return self._of(name, labels, set(self.after.values[f"crossfade_{name}"]))

    def rate(self, name: str, **labels: str) -> float:
        """Per second, in those that were there before: a rate begins with its series."""
        return self._of(name, labels, set(self.before.values[f"crossfade_{name}"])) / self.seconds

    def _of(self, name: str, labels: Mapping[str, str], keys: Iterable[Labels]) -> float:
        after, before = (books.values[f"crossfade_{name}"] for books in (self.after, self.before))
        return sum(after[key] - before.get(key, 0.0) for key in keys if labels.items() <= dict(key).items())


def tile_lines(rows: Sequence[Line], risen: Risen, rent_usd_per_s: float) -> list[Line]:
    """What tiles say, beside sums that know nothing of their expressions."""
    ours, all_of_it = {"variant": "candidate"}, risen.rate("requests_total")
    spent, instead = risen.of("cost_usd_total"), risen.of("counterfactual_cost_usd_total")
    rent_usd = rent_usd_per_s * risen.seconds  # whether an answer bears it or none
    borne_usd = risen.of("cost_usd_total", route="rented", **ours)
    saved = (
        risen.of("counterfactual_cost_usd_total", **ours) - risen.of("cost_usd_total", **ours) + borne_usd - rent_usd
    )
    says = {
        "Requests": all_of_it,
        "By the candidate": risen.rate("requests_total", **ours) / all_of_it,
        "Failed": risen.rate("requests_total", status_class="5xx") / all_of_it,
        "Fallbacks": risen.of("fallbacks_total"),
        "Cost an hour": 3600 * risen.rate("cost_usd_total"),
        "Saved": saved,
        "Spent": spent,
        "Baseline alone": instead,
        "Shadow": risen.of("shadow_cost_usd_total"),
        "Judge": risen.of("judge_cost_usd_total"),
        "GPU, idle": risen.of("gpu_cost_usd_total", state="idle"),
        "Without a price": risen.of("unpriced_total"),
        "Rows": risen.of("records_total"),
        "Read oddly": risen.of("unread_total"),
    }
    tiles = [row for row in rows if row.asked.panel in says and not row.labels]
    found = [Line(row.asked, "added up by hand", row.ours, says[row.asked.panel]) for row in tiles]
    assert {line.asked.panel for line in found} == set(says)
    return found


def alert_lines(prometheus: Prometheus, at: float) -> list[Line]:
    """Alerts name no job: each is asked once, and tells of both sides. What it holds against a limit is asked for, so
    that there is something to see of an alert that is quiet; an expression of several comparisons is asked as it is.
    """
    found: list[Line] = []
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    for rule in (rule for group in groups for rule in group["rules"] if "alert" in rule):
        expr = " ".join(rule["expr"].split())
        asked = Asked("alerts", rule["alert"], expr if 'job="' in expr else LIMIT.sub("", expr))
        told: dict[str, Series] = {OURS: {}, THEIRS: {}}
        for each in prometheus.query(asked.expr, at):
            job = each["metric"].get("job", OURS)
            told.setdefault(job, {})[_labels(each["metric"])] = float(each["value"][1])
        names = sorted({*told[OURS], *told[THEIRS]})
        found += [Line(asked, name, told[OURS].get(name), told[THEIRS].get(name)) for name in names]
        found += [] if names else [Line(asked, "", QUIET, QUIET)]
    return found


def short(expr: str) -> str:
    """An expression as a line of a table has it."""
    bare = re.sub(r'job=~"\$job", instance=~"\$instance"(, )?|route=~"\$route"(, )?|instance=~"\$engine"', "", expr)
    bare = bare.replace("crossfade_", "").replace("{}", "").replace("[$__rate_interval]", "[r]").replace("|", "/")
    return bare if len(bare) <= 70 else f"{bare[:67]}..."


def table(rows: Sequence[Line]) -> str:
    """All of it, a line for each series."""
    head = "| dashboard | panel | expression | series | Prometheus says | the ledger says | who knows | equal |\n"
    text = [head, "|---|---|---|---|---|---|---|---|\n"]
    for asked, group in groupby(rows, key=lambda row: row.asked):
        for row in group:
            numbers = " | ".join("nothing" if value is None else f"{value:.6g}" for value in (row.ours, row.theirs))
            text.append(
                f"| {asked.board} | {asked.panel} | `{short(asked.expr)}` | {row.labels} | {numbers} | {asked.source} "
                f"| {'yes' if row.is_equal else 'NO'} |\n"
            )
    return "".join(text)
