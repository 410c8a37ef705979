"""Prometheus rules of objectives, under Sloth's names."""

import itertools
import re
from typing import Any

import pytest

from gateway.cli.slo_rules import WINDOWS, groups, nearest
from gateway.telemetry.metrics import BY_NAME
from policies.objectives import Objective

FAILING = Objective("triage", "errors", 0.02)
LATE = Objective("triage", "ttft", 0.05, 0.75)
SUFFIXES = re.compile(r"_(bucket|count)$")


def made(*promised: Objective, job: str = "crossfade") -> list[Any]:
    return list(itertools.chain.from_iterable(group.rules for group in groups(promised, job)))


def test_the_rules_are_called_as_sloth_calls_them():
    """What is made for Sloth finds its recordings, over its seven windows and thirty days, and its labels."""
    recorded = {rule["record"]: rule for rule in made(FAILING) if "record" in rule}
    assert list(recorded) == [
        *(f"slo:sli_error:ratio_rate{window}" for window in (*WINDOWS, "30d")),
        "slo:objective:ratio",
        "slo:error_budget:ratio",
        "slo:time_period:days",
        "slo:current_burn_rate:ratio",
        "slo:period_burn_rate:ratio",
        "slo:period_error_budget_remaining:ratio",
        "sloth_slo_info",
    ]
    assert recorded["slo:error_budget:ratio"]["expr"] == "vector(0.02)"
    assert recorded["slo:objective:ratio"]["expr"] == "vector(0.98)"
    assert recorded["slo:sli_error:ratio_rate5m"]["labels"] == {
        "route": "triage", "sloth_id": "crossfade-triage-availability", "sloth_service": "crossfade",
        "sloth_slo": "triage-availability", "sloth_window": "5m",
    }  # fmt: skip


def test_the_rules_ask_for_what_the_gateway_exposes():
    """Each metric and each label is one of the gateway's own, of the job that is named; an edge is a bucket's."""
    for rule in made(FAILING, LATE, job="llm"):
        for name, selected in re.findall(r"(crossfade_\w+)\{([^}]*)\}", rule["expr"]):
            metric = BY_NAME[SUFFIXES.sub("", name)]
            labels = dict(re.findall(r'(\w+)=~?"([^"]*)"', selected))
            assert labels.keys() <= {*metric.labels, "job", "le"}
            assert (labels["job"], labels["route"]) == ("llm", "triage")
            assert "le" not in labels or float(labels["le"]) in metric.buckets


def test_no_alert_waits_for_what_can_never_be():
    """A pace that would take more than all answers is left out, and an alert without any pace with it."""
    alerts = [rule for rule in made(FAILING, LATE) if "alert" in rule]
    assert [(rule["alert"], rule["labels"]["severity"]) for rule in alerts] == [
        ("CrossfadeErrorBudgetBurns", "page"), ("CrossfadeErrorBudgetBurns", "ticket"),
        ("CrossfadeLatencyBudgetBurns", "page"), ("CrossfadeLatencyBudgetBurns", "ticket"),
    ]  # fmt: skip
    median = [rule for rule in made(Objective("triage", "total", 0.5, 1.0)) if "alert" in rule]
    assert [rule["labels"]["severity"] for rule in median] == ["ticket"]
    assert "(3 * 0.5)" not in median[0]["expr"] and "(1 * 0.5)" in median[0]["expr"]


@pytest.mark.parametrize(("limit_s", "edge_s"), [(0.75, 0.75), (0.8, 0.75), (0.9, 1.0), (0.875, 0.75), (1e9, 2560.0)])
def test_lateness_is_counted_at_an_edge(limit_s: float, edge_s: float):
    """The nearest edge of the histogram, the earlier of two that are as near."""
    assert nearest(Objective("triage", "ttft", 0.05, limit_s)) == edge_s
    assert nearest(FAILING) is None
