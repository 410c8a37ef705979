"""The verdict on a route: each signal and each check turns it alone."""

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from records.readiness import (
    DAY_S,
    HourlyFacts,
    Measure,
    QualityPeriod,
    Readiness,
    ReadinessTerms,
    RouteFacts,
    assess,
)

NOW = 1_795_000_000.0
TERMS = ReadinessTerms(
    budget_usd_per_month=1000.0, first_byte_p95_s=1.0, total_p95_s=4.0, tokens_per_s=40.0, training_usd=1200.0
)
CALM = RouteFacts(
    name="triage", model="gpt-4o", requests=28_000, days=28.0, usd_per_day=Measure(20.0, 19.0, 21.0),
    first_byte_p95_s=Measure(0.5, 0.5, 0.5), total_p95_s=Measure(3.0, 2.0, 4.0), tokens_per_s=Measure(60.0, 60.0, 60.0),
    turned_away=Measure(0.0, 0.0, 0.0), examples=20_000, prompts=10_000, answers=500, votes=900, prompt_days=21.0,
    prompt_versions=2, eval_rows=200,
    feedback=(QualityPeriod("prompt a", NOW - 28 * DAY_S, 400, 0.5, 0.3), QualityPeriod("b", NOW, 400, 0.7, 0.3)),
)  # fmt: skip
"""Every check holds, and no signal is on."""
DEAR: dict[str, Any] = {"usd_per_day": Measure(100.0, 90.0, 110.0)}


def found(**facts: Any) -> Readiness:
    return assess(msgspec.structs.replace(CALM, **facts), TERMS, now=NOW)


def flat(mean: float) -> tuple[QualityPeriod, ...]:
    return QualityPeriod("a", 1.0, 4000, 0.7, 0.1), QualityPeriod("b", 2.0, 4000, mean, 0.1)


@pytest.mark.parametrize(
    ("signal", "facts"),
    [
        ("spend", DEAR),
        ("speed", {"first_byte_p95_s": Measure(1.1)}),
        ("speed", {"total_p95_s": Measure(4.5)}),
        ("speed", {"tokens_per_s": Measure(39.0)}),
        ("speed", {"turned_away": Measure(0.02)}),
        ("plateau", {"feedback": flat(0.7)}),
        ("plateau", {"evaluations": flat(0.6)}),
    ],
)
def test_each_signal_alone(signal: str, facts: dict[str, Any]) -> None:
    """A signal turns `not yet` into `due` by itself, is the only reason, and the next step is a dataset."""
    assert found().verdict == "not yet"
    due = found(**facts)
    assert due.verdict == "due"
    assert [sign.name for sign in due.signals if sign.holds] == [signal]
    assert [reason.partition(":")[0] for reason in due.reasons] == [signal]
    assert due.next.startswith("crossfade dataset build --route triage")


def test_only_scores_of_the_same_questions_are_a_plateau() -> None:
    """Of sets that ask otherwise nothing is compared; of several that ask the same, those with the newest score are."""
    a, b = flat(0.7)
    other = msgspec.structs.replace(b, asked="other", mean=0.1)
    apart = found(evaluations=(a, other), feedback=()).signals[2]
    assert (apart.holds, apart.reason.partition(";")[0]) == (
        None,
        "unknown: 2 evaluation sets have scores, and no two of them ask the same questions under two prompts",
    )
    older = tuple(msgspec.structs.replace(each, asked="older", since=0.5) for each in flat(0.9))
    mixed = found(evaluations=(*older, a, b, other)).signals[2]
    assert (mixed.before, mixed.after) == (0.7, 0.7)


@pytest.mark.parametrize(
    ("check", "facts", "next_step"),
    [
        ("volume", {"prompts": 900, "examples": 900}, "crossfade readiness triage"),
        ("variety", {"examples": 60_000}, "crossfade records tail"),
        ("variety", {"answers": 1}, "crossfade records tail"),
        ("evaluator", {"votes": 3}, "a comparator in the policy"),
        ("prompt", {"prompt_days": 2.0}, "crossfade readiness triage"),
        ("prompt", {"prompt_days": None}, "crossfade readiness triage"),
        ("evaluation", {"eval_rows": 0}, "crossfade eval sample --route triage"),
    ],
)
def test_each_check_alone(check: str, facts: dict[str, Any], next_step: str) -> None:
    """With a signal on, one check that does not hold makes `prepare` of `due`, and says what to do next."""
    prepare = found(**DEAR, **facts)
    assert prepare.verdict == "prepare"
    assert [sign.name for sign in prepare.checks if not sign.holds] == [check]
    assert [reason.partition(":")[0] for reason in prepare.reasons] == ["spend", check]
    assert prepare.next.startswith(next_step)
    assert found(**facts).verdict == "not yet"


@pytest.mark.parametrize(
    ("signal", "facts"),
    [
        ("spend", {"usd_per_day": Measure()}),
        ("spend", {"usd_per_day": Measure(500.0), "days": 0.2}),
        ("spend", {"unpriced": 10_000}),
        ("speed", {"first_byte_p95_s": Measure()}),
        ("plateau", {"feedback": ()}),
        ("plateau", {"feedback": CALM.feedback[:1]}),
        ("plateau", {"feedback": tuple(msgspec.structs.replace(each, n=29) for each in CALM.feedback)}),
        ("plateau", {"feedback": tuple(msgspec.structs.replace(each, n=40, mean=0.5) for each in CALM.feedback)}),
    ],
)
def test_unknown(signal: str, facts: dict[str, Any]) -> None:
    """What cannot be known is unknown, not off: it turns nothing on."""
    unknown = found(**facts)
    (sign,) = [sign for sign in unknown.signals if sign.name == signal]
    assert sign.holds is None
    assert unknown.verdict == "not yet"


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"usd_per_day": Measure(), "days": 0.2}, "unknown: it takes a day of traffic to tell what a month costs"),
        ({"usd_per_day": Measure(), "days": 0.002}, "unknown: it takes a day of traffic to tell what a month costs"),
        ({"usd_per_day": Measure(), "days": 0.2, "unpriced": 28_000}, "unknown: no request has a price"),
        ({"usd_per_day": Measure()}, "unknown: no request has a price"),
    ],
)
def test_why_the_spend_is_unknown(facts: dict[str, Any], says: str) -> None:
    """Prices that are missing are not confused with hours that are too few."""
    assert found(**facts).signals[0].reason == says


def test_nothing_stated() -> None:
    """Without a budget or an objective the signals are unknown, and the next step is to state them."""
    bare = assess(CALM, ReadinessTerms(), now=NOW)
    assert [sign.holds for sign in bare.signals] == [None, None, False]
    assert bare.next.startswith("crossfade.yaml: state readiness.revenue_usd_per_month")
    assert assess(RouteFacts(name="new"), TERMS, now=NOW).verdict == "not yet"


def test_share_of_the_revenue() -> None:
    """The spend is held against the share of the revenue, or the budget if that is less."""
    for revenue, on in ((5000.0, True), (7000.0, False)):
        terms = ReadinessTerms(revenue_usd_per_month=revenue, budget_usd_per_month=800.0)
        assert assess(CALM, terms, now=NOW).signals[0].holds is on


@dataclass(frozen=True)
class Paid:
    usd_per_hour: float
    saved: float
    break_even: float
    payback: float | None


@pytest.mark.parametrize(
    "paid", [Paid(0.5, 608.75 - 365.25, 30_437.5 * 0.6, 1200 / 243.5), Paid(2.0, 608.75 - 1461.0, 30_437.5 * 2.4, None)]
)
def test_saving(paid: Paid) -> None:
    """Every hour of the servers is charged, busy or idle; break-even is the traffic that would pay for them."""
    saving = found(hourly=HourlyFacts("vllm", paid.usd_per_hour, 1, 0.9)).saving
    unstated = found(hourly=HourlyFacts("vllm", paid.usd_per_hour, None, 0.9)).saving
    assert (unstated.candidate_usd_per_month, "unknown" in unstated.reason, "unknown" in saving.reason) == (
        saving.candidate_usd_per_month, True, False,
    )  # fmt: skip
    assert saving.saved_usd_per_month == pytest.approx(paid.saved)
    assert saving.break_even_requests_per_month == pytest.approx(paid.break_even)
    assert saving.payback_months == (None if paid.payback is None else pytest.approx(paid.payback))
    assert found().saving.saved_usd_per_month is None


def test_retirement() -> None:
    """A model that is off before the fine-tune is there asks for its successor first; one that is not, does not."""
    soon, later = found(**DEAR, shutdown_at=NOW + 29 * DAY_S), found(**DEAR, shutdown_at=NOW + 31 * DAY_S)
    assert (soon.retirement.comes_first, later.retirement.comes_first) == (True, False)
    assert "successor" in soon.next
    assert later.next.startswith("crossfade dataset build")
    assert found().retirement.days_left is None


def test_what_must_not_be_trained_on() -> None:
    """The command that builds a dataset names the route's evaluation sets, whose rows it leaves out."""
    assert found(**DEAR, eval_files=("evals/a/rows.jsonl",)).next.endswith(
        "--out datasets --against evals/a/rows.jsonl --drop-leaks"
    )


def test_unrouted() -> None:
    """Traffic without a route needs a policy first."""
    assert found(**DEAR, name="unrouted/0011aabb").next.startswith("crossfade init")


def test_the_best_of_many_was_chosen() -> None:
    """A newest prompt below the luckiest of many is no plateau by that alone."""
    many = tuple(QualityPeriod(f"p{n}", n, 60, 0.5 + 0.01 * (n == 3), 0.4) for n in range(20))
    assert found(feedback=many).signals[2].holds is None


@pytest.mark.parametrize(
    ("usd_per_day", "terms", "says"),
    [
        (0.0001, {"revenue_usd_per_month": 0.005, "revenue_share": 0.001}, "above 0.1% of the revenue, $0.000005"),
        (0.0001, {"revenue_usd_per_month": 0.0}, "$0.003044 a month is above 10% of the revenue, $0.00"),
        (0.0, {"budget_usd_per_month": 0.0}, "$0.00 a month is within the budget, $0.00"),
        (1e-9, {"budget_usd_per_month": 1e-9}, "less than $0.000001 a month is above the budget, less than $0.000001"),
    ],
)
def test_sums_of_less_than_a_cent(usd_per_day: float, terms: dict[str, Any], says: str) -> None:
    """They are said so that the verdict can be followed: nothing is not above nothing."""
    facts = msgspec.structs.replace(CALM, usd_per_day=Measure(usd_per_day))
    spend = assess(facts, ReadinessTerms(**terms), now=NOW).signals[0]

    assert says in spend.reason
    assert spend.holds is ("above" in says)


def test_a_route_that_nobody_asked() -> None:
    """A policy of today: every number is unknown, says so, and nothing is divided by nothing."""
    nothing = assess(RouteFacts(name="triage"), TERMS, now=NOW)

    assert nothing.verdict == "not yet"
    assert [sign.holds for sign in nothing.signals] == [None, None, None]
    assert nothing.signals[0].reason == "unknown: nothing was asked"
    assert [check.name for check in nothing.checks if check.holds] == []


def test_a_model_that_is_off() -> None:
    """A day that is over comes before any finish: the next step is its successor."""
    late = found(shutdown_at=NOW - 3 * DAY_S)

    assert late.retirement.comes_first
    assert late.retirement.days_left == -3.0
    assert "successor" in late.next
