"""Should this route be fine-tuned yet, and why: what is known of its traffic in, a verdict out.

Rules:
1. Three signals say that it is worth it: it costs too much, it is too slow, or better prompts no longer help. Five
   checks say whether it can work: enough examples, no two alike, somebody who says what is good, a prompt that stays,
   and questions to test with.
2. `due`: a signal is on and every check holds. `prepare`: a signal is on, a check does not hold. Else `not yet`.
3. What is not known is unknown, and says what would make it known: it turns no signal on, and lets no check hold.
4. A trend is the later half of the window beside the earlier one.

Longer than a file should be: one table of signals and checks, a function for each, behind the facts that they read.
"""

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Literal

import msgspec

DAY_S = 86_400.0
MONTH_DAYS = 365.25 / 12
MONTH_HOURS = MONTH_DAYS * 24
KNOWN_DAYS = 1.0
"""A month's cost is not told from less."""
LEAST_PERIOD = 30
"""Fewer scores say nothing of a prompt."""
UNPRICED = 0.05
"""With a larger share unpriced, a spend below its limit may be one above it."""
ALPHA = 0.05
"""Two-sided, of a plateau."""
UNROUTED = "unrouted/"
"""Begins the name of traffic that has no route."""

Conclusion = Literal["not yet", "prepare", "due"]


class ReadinessTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator states; None: not stated."""

    window_s: float = 28 * DAY_S
    revenue_usd_per_month: float | None = None
    revenue_share: float = 0.1
    budget_usd_per_month: float | None = None
    first_byte_p95_s: float | None = None
    total_p95_s: float | None = None
    tokens_per_s: float | None = None
    turned_away: float = 0.01
    improvement: float = 0.02
    examples: int = 1000
    distinct: float = 0.2
    votes: int = 50
    prompt_still_s: float = 14 * DAY_S
    eval_rows: int = 100
    training_usd: float | None = None
    finish_s: float = 30 * DAY_S


class Measure(msgspec.Struct, frozen=True):
    """A number over the window, and over its earlier and later half; None: unknown."""

    whole: float | None = None
    before: float | None = None
    after: float | None = None


class QualityPeriod(msgspec.Struct, frozen=True):
    """How good answers were under one prompt."""

    label: str
    since: float
    """Unix seconds."""
    n: int
    mean: float
    sd: float
    asked: str = ""
    """What was asked, and how it was scored: means are compared only where both were the same."""


class HourlyFacts(msgspec.Struct, frozen=True):
    """The servers of the candidate, paid by the hour."""

    upstream: str
    usd_per_hour: float
    """Of one replica."""
    replicas: int | None
    """None: not stated, and counted as one."""
    idle_share: float | None = None
    """Of the hours that were paid lately; None: none were."""


class RouteFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one route's traffic that the baseline answered. Numbers nobody knows are None."""

    name: str
    model: str = ""
    """As most requests asked."""
    requests: int = 0
    days: float = 0.0
    """Of the window, since its first request."""
    usd_per_day: Measure = Measure()
    """Of the requests with a price."""
    unpriced: int = 0
    """Whole answers without a price."""
    first_byte_p95_s: Measure = Measure()
    total_p95_s: Measure = Measure()
    tokens_per_s: Measure = Measure()
    """Median, of streams."""
    turned_away: Measure = Measure()
    """Share of requests that were answered with 429."""
    examples: int = 0
    """Whole answers that may be trained on."""
    prompts: int = 0
    """Of them: different ones."""
    answers: int = 0
    """Different answers among them."""
    votes: int = 0
    corrections: int = 0
    prompt_days: float | None = None
    """Since the newest system prompt came; None: they are told apart by nothing."""
    prompt_versions: int = 0
    feedback: tuple[QualityPeriod, ...] = ()
    """By system prompt, oldest first."""
    evaluations: tuple[QualityPeriod, ...] = ()
    """The baseline's last scores, by evaluation set, oldest first; `asked` says which sets ask the same."""
    eval_rows: int = 0
    """Of the largest set."""
    eval_files: tuple[str, ...] = ()
    """Where the rows of all its sets stand: what must not be trained on."""
    evaluators: tuple[str, ...] = ()
    """Comparators of its policy."""
    hourly: HourlyFacts | None = None
    shutdown_at: float | None = None
    """Unix seconds at which the provider turns the model off."""


SignUnit = Literal[
    "usd_per_month", "s", "tokens_per_s", "share", "score", "prompts", "comparators", "votes", "days", "questions"
]


class Sign(msgspec.Struct, frozen=True):
    """One signal or check."""

    name: str
    reason: str
    value: float | None = None
    limit: float | None = None
    before: float | None = None
    """The same in the window's earlier half, and in its later one."""
    after: float | None = None
    holds: bool | None = None
    """Whether the signal is on, or the check holds; None: unknown."""
    unit: SignUnit | None = None
    """Of all its numbers; None: it has none."""


class Saving(msgspec.Struct, frozen=True):
    """What servers of one's own would save, paid by the hour, idle or not; None: unknown."""

    reason: str
    baseline_usd_per_month: float | None = None
    candidate_usd_per_month: float | None = None
    saved_usd_per_month: float | None = None
    break_even_requests_per_month: float | None = None
    requests_per_month: float | None = None
    payback_months: float | None = None
    """None: never, or what training costs is not stated."""
    idle_share: float | None = None


class Retirement(msgspec.Struct, frozen=True):
    """When the provider turns the model off, beside when a fine-tune begun now would have all traffic."""

    model: str
    shutdown_at: float | None
    days_left: float | None
    finish_at: float
    comes_first: bool
    """Whether it is off before the fine-tune is there."""


class Readiness(msgspec.Struct, frozen=True):
    """The verdict on one route."""

    route: str
    verdict: Conclusion
    reasons: tuple[str, ...]
    next: str
    """One command, or one thing to write."""
    signals: tuple[Sign, ...]
    checks: tuple[Sign, ...]
    saving: Saving
    retirement: Retirement
    requests: int
    days: float


def assess(facts: RouteFacts, terms: ReadinessTerms, *, now: float) -> Readiness:
    """The verdict. `now`: Unix seconds."""
    signals = (_spend(facts, terms), _speed(facts, terms), _plateau(facts, terms))
    checks = tuple(check(facts, terms) for check in _CHECKS)
    on = [sign for sign in signals if sign.holds]
    open_ = [check for check in checks if not check.holds]
    verdict: Conclusion = "not yet" if not on else "prepare" if open_ else "due"
    told = (*on, *open_) if on else signals
    retirement = _retirement(facts, terms, now)
    return Readiness(
        facts.name, verdict, tuple(f"{sign.name}: {sign.reason}" for sign in told),
        _next(facts, verdict, signals, open_, retirement), signals, checks, _saving(facts, terms), retirement,
        facts.requests, facts.days,
    )  # fmt: skip


# Signals --------------------------------------------------------------------------------------------------------------


def _spend(facts: RouteFacts, terms: ReadinessTerms) -> Sign:
    stated: list[tuple[float, str]] = []
    if terms.budget_usd_per_month is not None:
        stated.append((terms.budget_usd_per_month, "the budget"))
    if terms.revenue_usd_per_month is not None:
        stated.append(
            (terms.revenue_usd_per_month * terms.revenue_share, f"{terms.revenue_share * 100:g}% of the revenue")
        )
    a_day = facts.usd_per_day
    month = [None if usd is None else usd * MONTH_DAYS for usd in (a_day.whole, a_day.before, a_day.after)]
    usd, before, after = month
    if usd is None or facts.days < KNOWN_DAYS:
        is_young = facts.days < KNOWN_DAYS and facts.unpriced < facts.requests
        young = "it takes a day of traffic to tell what a month costs"
        why = young if is_young else "no request has a price" if facts.requests else "nothing was asked"
        return Sign("spend", f"unknown: {why}", usd, None, before, after, unit="usd_per_month")
    if not stated:
        why = f"{_usd(usd)} a month; state readiness.revenue_usd_per_month or budget_usd_per_month to hold it against"
        return Sign("spend", why, usd, None, before, after, unit="usd_per_month")
    limit, what = min(stated)
    if usd > limit:
        why = f"{_usd(usd)} a month is above {what}, {_usd(limit)}"
        return Sign("spend", why, usd, limit, before, after, holds=True, unit="usd_per_month")
    if facts.unpriced > UNPRICED * facts.requests:
        why = f"{_usd(usd)} a month and more: {facts.unpriced} of {facts.requests} answers have no price"
        return Sign("spend", why, usd, limit, before, after, unit="usd_per_month")
    why = f"{_usd(usd)} a month is within {what}, {_usd(limit)}"
    return Sign("spend", why, usd, limit, before, after, holds=False, unit="usd_per_month")


def _usd(value: float) -> str:
    """To the cent; of less than a dollar, what shows: a verdict does not say that nothing is above nothing."""
    if value >= 1 or value == 0:
        return f"${value:,.2f}"
    return f"${value:.3f}" if value >= 0.01 else f"${value:.6f}".rstrip("0") if value >= 1e-6 else "less than $0.000001"


def _speed(facts: RouteFacts, terms: ReadinessTerms) -> Sign:
    """The limit that is missed worst speaks for all; of those that are kept, the one that is nearest."""
    parts: list[tuple[float, Sign]] = []
    unknown: list[str] = []
    table: tuple[tuple[str, Measure, float | None, SignUnit], ...] = (
        ("p95 to the first token", facts.first_byte_p95_s, terms.first_byte_p95_s, "s"),
        ("p95 of the whole answer", facts.total_p95_s, terms.total_p95_s, "s"),
        ("median tokens a second", facts.tokens_per_s, terms.tokens_per_s, "tokens_per_s"),
        ("share turned away with 429", facts.turned_away, terms.turned_away, "share"),
    )
    for name, measure, limit, unit in table:
        if limit is None:
            continue
        if measure.whole is None:
            unknown.append(name)
            continue
        value = measure.whole
        strain = (limit / max(value, 1e-9)) if unit == "tokens_per_s" else value / max(limit, 1e-9)
        says = f"{name} is {_speed_text(value, unit)}, the limit {_speed_text(limit, unit)}"
        sign = Sign("speed", says, value, limit, measure.before, measure.after, holds=strain > 1, unit=unit)
        parts.append((strain, sign))
    strain, sign = max(parts, default=(0.0, Sign("speed", "unknown: nothing was answered")), key=lambda it: it[0])
    if strain > 1:
        return sign
    if unknown:
        return msgspec.structs.replace(sign, reason=f"unknown: {', '.join(unknown)}", holds=None)
    if (terms.first_byte_p95_s, terms.total_p95_s, terms.tokens_per_s) == (None, None, None):
        whole = facts.total_p95_s
        now = "" if whole.whole is None else f"p95 of the whole answer is {whole.whole:.3g} s, and "
        why = f"{now}no limit is stated; state readiness.first_byte_p95, total_p95 or tokens_per_s"
        return Sign("speed", why, whole.whole, None, whole.before, whole.after, unit="s")
    return sign


def _speed_text(value: float, unit: SignUnit) -> str:
    return f"{value:.3g} s" if unit == "s" else f"{value:.2%}" if unit == "share" else f"{value:.3g}"


def _plateau(facts: RouteFacts, terms: ReadinessTerms) -> Sign:
    """Whether the newest prompt is no better than the best before it: evaluations first, then feedback."""
    scored = [period for period in facts.evaluations if period.n >= LEAST_PERIOD]
    for source, periods in (("evaluation", _alike(scored)), ("feedback", facts.feedback)):
        known = [period for period in periods if period.n >= LEAST_PERIOD]
        if len(known) >= 2:
            return _gain(source, known, terms.improvement)
    if len(scored) >= 2:
        why = (
            f"unknown: {len(scored)} evaluation sets have scores, and no two of them ask the same questions under two "
            "prompts; register the newest one's questions with the other system prompt, too, and run both"
        )
        return Sign("plateau", why, None, terms.improvement, unit="score")
    why = (
        f"unknown: no two versions of the system prompt have {LEAST_PERIOD} scores each; send POST /v1/feedback, "
        "or run an evaluation set under each prompt"
    )
    return Sign("plateau", why, None, terms.improvement, unit="score")


def _alike(periods: Sequence[QualityPeriod]) -> list[QualityPeriod]:
    """Of those that can be compared with one another, the ones with the newest score; oldest first."""
    groups: dict[str, list[QualityPeriod]] = {}
    for period in periods:
        groups.setdefault(period.asked, []).append(period)
    several = [group for group in groups.values() if len(group) >= 2]
    return max(several, key=lambda group: group[-1].since, default=list[QualityPeriod]())


def _gain(source: str, known: Sequence[QualityPeriod], improvement: float) -> Sign:
    """Source: the difference of two means, as Welch has it, with one more score at a distance of one for each.

    The best of several is held to an alpha that is divided by their number (Bonferroni): it was chosen for being best.
    """
    last, best = known[-1], max(known[:-1], key=lambda period: period.mean)
    gain = last.mean - best.mean
    z = NormalDist().inv_cdf(1 - ALPHA / 2 / (len(known) - 1))
    half = z * math.sqrt(sum((period.sd**2 + 1 / period.n) / period.n for period in (last, best)))
    says = f"by {source}, {last.label} is {gain:+.3f} ± {half:.3f} over {best.label}"
    if gain + half < improvement:
        return Sign(
            "plateau",
            f"{says}: below {improvement:g}",
            gain,
            improvement,
            best.mean,
            last.mean,
            holds=True,
            unit="score",
        )
    if gain - half > 0:
        return Sign(
            "plateau", f"{says}: prompts still help", gain, improvement, best.mean, last.mean, holds=False, unit="score"
        )
    return Sign("plateau", f"{says}: too few scores to tell", gain, improvement, best.mean, last.mean, unit="score")


# Checks ---------------------------------------------------------------------------------------------------------------


def _volume(facts: RouteFacts, terms: ReadinessTerms) -> Sign:
    says = f"{facts.prompts:,} different prompts with a whole answer, of {facts.examples:,}; {terms.examples:,} needed"
    lacking = terms.examples - facts.prompts
    if lacking > 0 and facts.prompts and facts.days >= KNOWN_DAYS:
        says += f": {lacking * facts.days / facts.prompts:,.0f} more days at this traffic"
    return Sign("volume", says, facts.prompts, terms.examples, holds=lacking <= 0, unit="prompts")


def _variety(facts: RouteFacts, terms: ReadinessTerms) -> Sign:
    if not facts.examples:
        return Sign("variety", "unknown: nothing was answered", None, terms.distinct, unit="share")
    share = facts.prompts / facts.examples
    says = f"{share:.0%} of the prompts are different, {facts.answers:,} different answers"
    holds = share >= terms.distinct and facts.answers > 1
    return Sign("variety", says, share, terms.distinct, holds=holds, unit="share")


def _judged(facts: RouteFacts, terms: ReadinessTerms) -> Sign:
    said = facts.votes + facts.corrections
    if facts.evaluators:  # one is enough: nobody then counts votes
        says = f"the policy compares by {', '.join(facts.evaluators)}"
        return Sign("evaluator", says, len(facts.evaluators), 1, holds=True, unit="comparators")
    says = f"{facts.votes} votes and {facts.corrections} corrections, and no comparator; {terms.votes} needed"
    return Sign("evaluator", says, said, terms.votes, holds=said >= terms.votes, unit="votes")


def _still(facts: RouteFacts, terms: ReadinessTerms) -> Sign:
    needed = terms.prompt_still_s / DAY_S
    if facts.prompt_days is None:
        why = "unknown: system prompts are all different" if facts.requests else "unknown: nothing was asked"
        return Sign("prompt", why, None, needed, unit="days")
    days = facts.prompt_days
    which = (
        "the system prompt" if facts.prompt_versions == 1 else f"the newest of {facts.prompt_versions} system prompts"
    )
    says = f"{which} is {days:.1f} days old; {needed:g} needed"
    return Sign("prompt", says, days, needed, holds=days >= needed, unit="days")


def _questions(facts: RouteFacts, terms: ReadinessTerms) -> Sign:
    says = f"{facts.eval_rows} questions in the largest evaluation set; {terms.eval_rows} needed"
    holds = facts.eval_rows >= terms.eval_rows
    return Sign("evaluation", says, facts.eval_rows, terms.eval_rows, holds=holds, unit="questions")


_CHECKS: tuple[Callable[[RouteFacts, ReadinessTerms], Sign], ...] = (_volume, _variety, _judged, _still, _questions)


# Money and time -------------------------------------------------------------------------------------------------------


def _saving(facts: RouteFacts, terms: ReadinessTerms) -> Saving:
    per_month = facts.requests / facts.days * MONTH_DAYS if facts.days >= KNOWN_DAYS else None
    usd = None if facts.usd_per_day.whole is None or per_month is None else facts.usd_per_day.whole * MONTH_DAYS
    hourly = facts.hourly
    if hourly is None:
        return Saving(
            "unknown: state what a candidate's servers cost under prices.candidate", usd, requests_per_month=per_month
        )
    paid, idle = hourly.usd_per_hour * (hourly.replicas or 1) * MONTH_HOURS, hourly.idle_share
    if usd is None or per_month is None:
        why = "unknown: what the baseline costs in a month"
        return Saving(why, None, paid, requests_per_month=per_month, idle_share=idle)
    priced = per_month * (1 - facts.unpriced / facts.requests) if facts.requests else 0.0
    saved = usd - paid
    even = paid / (usd / priced) if usd > 0 and priced > 0 else None
    payback = terms.training_usd / saved if terms.training_usd is not None and saved > 0 else None
    says = f"{hourly.replicas or 1} × ${hourly.usd_per_hour:g} an hour at {hourly.upstream}, busy or idle"
    if hourly.replicas is None:
        says += " (how many replicas there are is unknown: state prices.candidate replicas)"
    if facts.unpriced:
        says += f"; {facts.unpriced} answers without a price are not in it"
    return Saving(says, usd, paid, saved, even, per_month, payback, idle)


def _retirement(facts: RouteFacts, terms: ReadinessTerms, now: float) -> Retirement:
    finish, off = now + terms.finish_s, facts.shutdown_at
    left = None if off is None else (off - now) / DAY_S
    return Retirement(facts.model, off, left, finish, off is not None and off < finish)


# What next ------------------------------------------------------------------------------------------------------------


def _next(
    facts: RouteFacts, verdict: Conclusion, signals: Sequence[Sign], lacking: Sequence[Sign], retirement: Retirement
) -> str:
    route = facts.name
    if retirement.comes_first:
        return (
            f"{retirement.model} is off before a fine-tune is there: a policy with its successor as the candidate "
            "(policies/examples/upgrade.yaml), then crossfade policy plan"
        )
    if verdict == "not yet":
        lines = (sign.reason.partition("state readiness.") for sign in signals if sign.holds is None)
        unstated = next((f"{said}{rest}" for _, said, rest in lines if said), "")
        return f"crossfade.yaml: {unstated}" if unstated else _again(route)
    if route.startswith(UNROUTED):
        return "crossfade init, and a policy for it: crossfade routes shows what to match"
    if verdict == "due":
        against = "".join(f" --against {path}" for path in facts.eval_files)
        leaks = f"{against} --drop-leaks" if against else ""
        return f"crossfade dataset build --route {route} --format trl-sft --out datasets{leaks}"
    todo = {
        "evaluation": f"crossfade eval sample --route {route} > {route}.jsonl, label it, and crossfade eval add",
        "evaluator": "a comparator in the policy (docs/comparators.md), or POST /v1/feedback from the app",
        "variety": f"crossfade records tail --route {route}: most of it says the same",
    }
    # What somebody can do comes before what only time brings.
    return next((command for name, command in todo.items() if name in {sign.name for sign in lacking}), _again(route))


def _again(route: str) -> str:
    return "crossfade readiness" if route.startswith(UNROUTED) else f"crossfade readiness {route}, again in a week"
