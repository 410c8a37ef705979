"""What a policy would change, and the way of its candidate from the shadow to the top, stage by stage.

Nothing here decides. What one stage takes: `policies.stage_plan`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import cast

from policies import judge_bias
from policies.assumptions import assumed
from policies.evidence import Evidence
from policies.language.amounts import duration_text, share_text
from policies.language.compare import Judge
from policies.review import Conditions, key_of, review
from policies.rollout import STOPPED, Rollout
from policies.rules import DAY_S, PPM, Rules
from policies.schema import Policy
from policies.stage_plan import FIRST_SLICE, SPREADS, Climb, StagePlan, StageProgress, Traffic
from policies.terms import Verdict

_TELLING = 100
"""Units from which a gate's own spread says more than the usual one."""


def standing(rollout: Rollout, evidence: Evidence, rules: Rules) -> StageProgress | None:
    """What the stage that `rollout` stands on has shown, judged by `rules`; None: they have no such stage."""
    at = next((stage for stage in rules.ladder.stages if stage.weight_ppm == rollout.at.weight_ppm), None)
    if at is None or rollout.phase in STOPPED:
        return None
    found = replace(evidence, rules=rules) if evidence.key == key_of(rollout) else Evidence(key_of(rollout), rules)
    gates = review(found, rollout, now=0.0, seen=Conditions(), bounds=False).gates
    telling = {gate.gate: gate for gate in gates if gate.n >= _TELLING}
    quality = telling.get("quality")
    return StageProgress(
        at.weight_ppm, at.label, found.count("units"), rollout.lived_s, {gate.gate: gate.n for gate in gates},
        {gate.gate: gate.units_to_go for gate in gates if gate.gate in telling or gate.verdict is Verdict.PASS},
        quality.sd if quality else None, quality.estimate or 0.0 if quality else 0.0,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """One thing that would be different."""

    key: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.key}: {self.before} -> {self.after}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a policy would change and how long its stages would take."""

    route: str
    changes: tuple[PolicyChange, ...]
    restarts: str
    """Why the rollout would start again in the shadow, with no evidence; empty: it would not."""
    stages: tuple[StagePlan, ...]
    days: float | None
    """From the shadow to the last stage."""
    doubt: str = ""
    """What would keep every stage from advancing."""
    stands: str = ""
    """Where the rollout stands now, if it is under way and goes on."""
    repeats: str = ""
    """How often the baseline is asked a second time; empty: never for a gate."""
    labels: str = ""
    """What people have to say of pairs before anything advances; empty: nobody asks them."""
    units_per_day: float | None = None
    """The traffic that days are counted by; None: not known."""
    assumes: tuple[str, ...] = ()
    """What the plan takes for granted of the candidate, where it is not that both are equal."""


def plan(
    before: tuple[Policy, Rules] | None,
    after: tuple[Policy, Rules],
    traffic: Traffic | None,
    under_way: StageProgress | None = None,
    *,
    among: int = 1,
) -> Plan:
    """What putting `after` in the place of `before` means; None: the route is new, or that is not known.

    `among`: so many candidates are tried on one sample.
    """
    policy, rules = after
    restarts = _restarts(before, rules)
    stands = None if restarts else under_way
    climb = Climb(rules, policy.shadow, traffic, stands, among, _judged(policy))
    climbing = [climb.stage(stage, above) for stage, above in pairwise(rules.ladder.stages)]
    top = rules.ladder.stages[-1]
    last = StagePlan(top.label, (), 0.0, 0.0, "")
    days = [stage.days for stage in climbing]
    total = None if None in days else sum(day for day in days if day is not None)
    doubt = concentration(policy, traffic.busiest_share) if traffic else ""
    told = f"on {stands.label} with {stands.units} units" if stands else ""
    repeats = _repeats(policy, rules, climbing[0], traffic)
    return Plan(
        policy.route, _changes(before, policy), restarts, (*climbing, last), total, doubt, told, repeats,
        _labels(rules), traffic.units_per_day if traffic else None, tuple(assumed(rules, SPREADS["quality"], among)),
    )  # fmt: skip


def _judged(policy: Policy) -> float:
    """The share of the pairs that a judge is asked about, whether or not a gate goes by it."""
    judges = (each.options for each in policy.compare)
    return next((judge.sample / PPM for judge in judges if isinstance(judge, Judge)), 0.0)


def _repeats(policy: Policy, rules: Rules, shadow: StagePlan, traffic: Traffic | None) -> str:
    """What a likeness gate costs in calls of the baseline."""
    quality = next((gate for gate in rules.gates.qualities if gate.asks_twice), None)
    if quality is None:
        return ""
    wanted = FIRST_SLICE if rules.ladder.moves_by else quality.name
    units = next((need.units for need in shadow.needs if need.gate == wanted), None)
    calls, each = shadow.calls.repeats, None if traffic is None else traffic.baseline_usd
    paid = "" if each is None else f", ${calls * each:,.2f},"
    about = "no number of" if units is None else f"about {calls:,}"
    share = share_text(policy.shadow.noise_floor)
    return f"{about} repeat calls of the baseline{paid} until likeness is certified, then {share}; again from 25% on"


def _labels(rules: Rules) -> str:
    """What `guards.judge_bias` asks of people, once for the whole ladder."""
    limit = rules.guards.judge_bias
    if limit is None:
        return ""
    needed = judge_bias.labels_needed(limit, {}, alpha=rules.guards.alpha, bets=rules.bets)
    return f"people label about {needed:,} judged pairs before anything advances: {judge_bias.WHERE}"


def gone(policy: Policy) -> Plan:
    """The plan of taking a policy's file away: its requests become traffic that nobody has a policy for."""
    return Plan(policy.route, (PolicyChange("route", policy.route, "none"),), "", (), 0.0)


def concentration(policy: Policy, busiest_share: float) -> str:
    """Why one unit would keep the route from advancing; empty: none would."""
    allowed = policy.guards.unit_share
    if busiest_share <= allowed:
        return ""
    return f"one unit makes at least {busiest_share:.0%} of the requests, allowed {allowed:.0%}: nothing would advance"


def starved(policy: Policy, requests_per_day: float) -> str:
    """Why the breaker's share of failures would never count; empty: it would, or no traffic is known."""
    breaker, last = policy.guards.breaker, policy.stages[-1]
    share = (last.weight_ppm - last.options.holdback) / PPM
    most = requests_per_day / DAY_S * breaker.window * share
    if not requests_per_day or most >= breaker.min_requests:
        return ""
    comes = f"about {most:.0f}" if most >= 1 else "less than one"
    return (
        f"of the {requests_per_day:,.0f} requests a day that came lately, {comes} would be the candidate's in "
        f"{duration_text(breaker.window)}. Its share of failures counts from {breaker.min_requests} on (min_requests): "
        "only failures in a row would stop it"
    )


def _changes(before: tuple[Policy, Rules] | None, policy: Policy) -> tuple[PolicyChange, ...]:
    if before is None:
        return (PolicyChange("route", "none", policy.route),)
    old, new = (dict(_leaves(each.model_dump(mode="json", by_alias=True), "")) for each in (before[0], policy))
    return tuple(
        PolicyChange(key, old.get(key, "none"), new.get(key, "none"))
        for key in sorted(old | new)
        if old.get(key) != new.get(key)
    )


def _leaves(value: object, key: str) -> Iterator[tuple[str, str]]:
    """Every single value of a tree, with its dotted key."""
    inner: list[tuple[object, object]] = []
    if isinstance(value, dict):
        inner = list(cast("dict[object, object]", value).items())
    elif isinstance(value, list):
        inner = list(enumerate(cast("list[object]", value)))
    elif value is not None:
        yield key, str(value)
    for name, part in inner:
        yield from _leaves(part, f"{key}.{name}" if key else str(name))


def _restarts(before: tuple[Policy, Rules] | None, rules: Rules) -> str:
    if before is None:
        return "a new route starts in the shadow"
    old, new = before[1].key, rules.key
    parts = ("candidate", "revision", "baseline", "prompt", "judge", "decoding")
    changed = [part for part in parts if getattr(old, part) != getattr(new, part)]
    return f"another {' and '.join(changed)}: the evidence so far says nothing of it" if changed else ""
