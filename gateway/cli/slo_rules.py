"""Prometheus rules of service level objectives, under the names that Sloth gives them: what is made for Sloth fits.

    groups([Objective("triage", "errors", 0.02)], job="crossfade")    # of a rules file

Rules:
1. Three groups an objective: the share of bad answers over seven windows, what is promised and how fast the budget
   goes, and the alerts: multi-window, multi-burn-rate.
   Source: SRE workbook, chapter 5; the names, Sloth (github.com/slok/sloth, examples/_gen/getting-started.yml).
2. Without traffic there is no share: a night is neither good nor bad. Without failures it is 0.
3. What can never hold is left out: of a budget of 10 % no window burns 14.4 times as much.
4. Lateness is counted at an edge of the histogram's buckets, and said to be: between two edges nothing is known.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.telemetry.metrics import BY_NAME
from policies.objectives import DAYS, Objective

SERVICE = "crossfade"
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
BURNS = {
    "page": ((14.4, "5m", "1h"), (6.0, "30m", "6h")),
    "ticket": ((3.0, "2h", "1d"), (1.0, "6h", "3d")),
}
"""By severity: how many times too fast a budget goes, over a short window (it is so now) and a long one (it lasts)."""
PACE = {"page": "within five days, or sooner", "ticket": f"before {DAYS} days are over"}
ALERTS = {
    "errors": "CrossfadeErrorBudgetBurns",
    "ttft": "CrossfadeLatencyBudgetBurns",
    "total": "CrossfadeLatencyBudgetBurns",
}
_REQUESTS = "crossfade_requests_total"
_TIMES = {"ttft": "crossfade_time_to_first_token_seconds", "total": "crossfade_request_seconds"}
_FAILED = 'status_class=~"5xx|none"'
_BAD = {
    "errors": "of its answers fail",
    "ttft": "of its streams have their first token later than {limit}",
    "total": "of its answers take longer than {limit}",
}

Rule = dict[str, object]


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """One group of a rules file."""

    name: str
    rules: list[Rule]


def edges(objective: Objective) -> tuple[float, ...]:
    """The times at which lateness can be counted; none where nothing is late."""
    return BY_NAME[_TIMES[objective.measure]].buckets if objective.measure in _TIMES else ()


def nearest(objective: Objective) -> float | None:
    """The edge that is nearest to the limit, the earlier of two; None: nothing is late."""
    limit_s = objective.limit_s
    return None if limit_s is None else min(edges(objective), key=lambda edge: (abs(edge - limit_s), edge))


def groups(objectives: Iterable[Objective], job: str) -> list[RuleGroup]:
    """The groups of a rules file, for objectives whose limits are edges. `job`: as Prometheus calls its scrapes."""
    return [group for objective in objectives for group in _groups(objective, job)]


def _groups(objective: Objective, job: str) -> tuple[RuleGroup, ...]:
    slo = f"{objective.route}-{objective.name}"
    labels = {"sloth_id": f"{SERVICE}-{slo}", "sloth_service": SERVICE, "sloth_slo": slo}
    about = labels | {"route": objective.route}
    found = [
        RuleGroup(f"sloth-slo-sli-recordings-{SERVICE}-{slo}", _shares(objective, job, labels, about)),
        RuleGroup(f"sloth-slo-meta-recordings-{SERVICE}-{slo}", _budget(objective, labels, about)),
    ]
    alerts = [alert for severity in BURNS if (alert := _alert(objective, severity, labels, about)) is not None]
    return (*found, *([RuleGroup(f"sloth-slo-alerts-{SERVICE}-{slo}", alerts)] if alerts else []))


def _shares(objective: Objective, job: str, labels: Mapping[str, str], about: Mapping[str, str]) -> list[Rule]:
    """The share of bad answers over each window, and over the whole time: the mean of the shortest."""
    over = [
        _recorded(
            f"slo:sli_error:ratio_rate{window}", _share(objective, job, window), {**about, "sloth_window": window}
        )
        for window in WINDOWS
    ]
    shortest = f"slo:sli_error:ratio_rate{WINDOWS[0]}{_selector(labels)}[{DAYS}d]"
    mean = f"sum_over_time({shortest})\n/ ignoring (sloth_window)\ncount_over_time({shortest})"
    return [*over, _recorded(f"slo:sli_error:ratio_rate{DAYS}d", mean, {**about, "sloth_window": f"{DAYS}d"})]


def _share(objective: Objective, job: str, window: str) -> str:
    whose = f'job={json.dumps(job, ensure_ascii=False)}, route="{objective.route}"'
    if objective.limit_s is None:
        every = f"sum(rate({_REQUESTS}{{{whose}}}[{window}]))"
        failed = f"sum(rate({_REQUESTS}{{{whose}, {_FAILED}}}[{window}]))"
        return f"({failed} or 0 * {every})\n/ ({every} > 0)"
    times = _TIMES[objective.measure]
    every = f"sum(rate({times}_count{{{whose}}}[{window}]))"
    timely = f'sum(rate({times}_bucket{{{whose}, le="{objective.limit_s!r}"}}[{window}]))'
    return f"({every} - {timely})\n/ ({every} > 0)"


def _budget(objective: Objective, labels: Mapping[str, str], about: Mapping[str, str]) -> list[Rule]:
    """What is promised, and how fast the budget goes: now, and over the whole time."""
    own, budget = _selector(labels), _plain(objective.tolerated)

    def burn(window: str) -> str:
        by = "/ on(sloth_id, sloth_slo, sloth_service) group_left"
        return f"slo:sli_error:ratio_rate{window}{own}\n{by}\nslo:error_budget:ratio{own}"

    return [
        _recorded("slo:objective:ratio", f"vector({_plain(1 - objective.tolerated)})", about),
        _recorded("slo:error_budget:ratio", f"vector({budget})", about),
        _recorded("slo:time_period:days", f"vector({DAYS})", about),
        _recorded("slo:current_burn_rate:ratio", burn(WINDOWS[0]), about),
        _recorded("slo:period_burn_rate:ratio", burn(f"{DAYS}d"), about),
        _recorded("slo:period_error_budget_remaining:ratio", f"1 - slo:period_burn_rate:ratio{own}", about),
        _recorded("sloth_slo_info", "vector(1)", {**about, "sloth_objective": _plain((1 - objective.tolerated) * 100)}),
    ]


def _alert(objective: Objective, severity: str, labels: Mapping[str, str], about: Mapping[str, str]) -> Rule | None:
    """The alert of a severity; None: none of its paces can be reached."""
    budget = _plain(objective.tolerated)

    def burns(window: str, factor: float) -> str:
        found = f"slo:sli_error:ratio_rate{window}{_selector(labels)}"
        return f"max without (sloth_window) ({found} > ({factor:g} * {budget}))"

    expr = "\nor\n".join(
        f"(\n  {burns(short, factor)}\n  and\n  {burns(long, factor)}\n)"
        for factor, short, long in BURNS[severity]
        if factor * objective.tolerated < 1
    )
    if not expr:
        return None
    bad = _BAD[objective.measure].format(limit=f"{objective.limit_s:g}s" if objective.limit_s else "")
    allowed = f"the policy allows {_percent(budget)}"
    return {
        "alert": ALERTS[objective.measure],
        "expr": expr,
        "labels": dict(sorted({**about, "severity": severity, "sloth_severity": severity}.items())),
        "annotations": {
            "summary": f"{objective.route}: {{{{ $value | humanizePercentage }}}} {bad}; {allowed}",
            "description": (
                f"At this pace the allowance of {DAYS} days is used up {PACE[severity]}. "
                f"Baseline or candidate? `crossfade explain {objective.route}` says how the candidate does; "
                f"`crossfade rollback {objective.route}` takes it out."
            ),
        },
    }


def _recorded(name: str, expr: str, labels: Mapping[str, str]) -> Rule:
    return {"record": name, "expr": expr, "labels": dict(sorted(labels.items()))}


def _selector(labels: Mapping[str, str]) -> str:
    return "{" + ", ".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


def _plain(value: float) -> str:
    """A number without the noise of its arithmetic."""
    return f"{value:.10g}"


def _percent(share: str) -> str:
    return f"{float(share) * 100:.10g}%"
