"""What a policy would change, what each stage still has to show, and how long that takes at today's traffic.

Nothing here decides: units are planned by the rule of thumb of `stats.units_needed`, at nine chances in ten.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import cast

from policies import judge_bias, stats
from policies.assumptions import TWICE, assumed
from policies.candidates import longer
from policies.evidence import Evidence
from policies.forecast import Need, most_worth, slowness, units_worth
from policies.language.amounts import duration_text, share_text
from policies.moving_slices import first_slice_units
from policies.review import Conditions, key_of, review
from policies.rollout import STOPPED, Rollout
from policies.rules import ARMS_FROM_PPM, DAY_S, PPM, Latency, Rules, Stage
from policies.schema import Policy, Shadow
from policies.terms import Verdict

SPREADS: Mapping[str, float] = {"quality": 0.4, "validity": 0.1, "errors": 0.1}
"""Standard deviations of paired differences where none was seen: scores of real models have 0.3 to 0.45, rates of
half a percent have 0.1. Source: decisions, 0.4 and B.3."""
_EXCEEDED = 0.4
"""Share of the requests that a latency limit allows to exceed it, which a good candidate makes use of."""
_TELLING = 100
"""Units from which a gate's own spread says more than the usual one."""
FIRST_SLICE = "first slice"
"""Stands for a gate's name where slices move alone, and nothing moves before the first of them does."""
SLICES_PLANNED = 5
"""Equal slices, where nothing is known of them."""
_ARMS_FACTOR = 2.0
"""Two arms apart need about twice the units of pairs. Source: decisions, B.3 (3b)."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is known of a route's traffic."""

    units_per_day: float
    """Eligible conversations."""
    busiest_share: float = 0.0
    """Share of the requests that the busiest unit surely makes."""
    requests_per_day: float = 0.0
    """0: not known."""
    users: int = 0
    """Who made them, in the days that are looked at; 0: not known."""
    baseline_usd: float | None = None
    """What an answer of the baseline costs; None: not known. The others likewise."""
    candidate_usd: float | None = None
    judged_usd: float | None = None
    """What judging a pair costs."""

    @property
    def turns(self) -> float:
        """Requests of a conversation."""
        return max(1.0, self.requests_per_day / self.units_per_day) if self.units_per_day else 1.0


@dataclass(frozen=True, slots=True)
class StageProgress:
    """Where a rollout under way stands, and what its stage has shown."""

    weight_ppm: int
    """Of the stage."""
    label: str
    units: int
    """Closed in this stage."""
    lived_s: float
    seen: Mapping[str, int] = field(default_factory=dict[str, int])
    """Units by gate."""
    to_go: Mapping[str, int | None] = field(default_factory=dict[str, int | None])
    """Units still needed by gate, where enough were seen to tell; None: no number would do."""
    spread: float | None = None
    """Standard deviation of a unit's quality, where enough were seen to tell."""
    difference: float = 0.0
    """Candidate's quality less the baseline's, likewise."""


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
class Spending:
    """Background calls of a stage, until it can be left."""

    candidate: int = 0
    """Beside the baseline's answers."""
    baseline: int = 0
    """Beside the candidate's answers."""
    repeats: int = 0
    """Of the baseline, a second time."""
    judged: int = 0
    """Pairs that a judge is asked about."""
    usd: float | None = None
    """What all of it costs; None: a price is not known."""

    def __str__(self) -> str:
        """In words; empty: nobody is asked."""
        named = {
            "of the candidate": self.candidate, "of the baseline": self.baseline, "repeated": self.repeats,
            "pairs judged": self.judged,
        }  # fmt: skip
        told = ", ".join(f"{number:,} {what}" for what, number in named.items() if number)
        return told and f"{told}, {'at prices that are not known' if self.usd is None else f'${self.usd:,.2f}'}"


@dataclass(frozen=True, slots=True)
class StagePlan:
    """What one stage takes."""

    stage: str
    needs: tuple[Need, ...]
    hold_s: float
    days: float | None
    """Until it can be left; None: traffic is not known, or it cannot be."""
    slowest: str
    """What it waits for longest."""
    doubt: str = ""
    """Why it would end inconclusive."""
    passed: bool = False
    """Whether the rollout has left it behind."""
    calls: Spending = Spending()


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
    """All there is to say before a policy is put in force."""

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
    climb = _Climb(rules, policy.shadow, traffic, stands, among)
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
        _labels(rules), tuple(assumed(rules, SPREADS["quality"], among)),
    )  # fmt: skip


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
    return (
        f"at most about {most:.2g} of the candidate's requests in {duration_text(breaker.window)}, min_requests is "
        f"{breaker.min_requests}: the share of failures never counts, only failures in a row do"
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


@dataclass(frozen=True, slots=True)
class _Climb:
    """A ladder, and what climbs it."""

    rules: Rules
    shadow: Shadow
    traffic: Traffic | None
    stands: StageProgress | None
    among: int = 1
    """Candidates that are tried."""

    def stage(self, stage: Stage, above: Stage) -> StagePlan:
        stands = self.stands
        if stands and stage.weight_ppm < stands.weight_ppm:
            return StagePlan(stage.label, (), 0.0, 0.0, "", passed=True)
        here = stands if stands and stage.weight_ppm == stands.weight_ppm else None
        needs = [self._need(gate, stage, here) for gate in _gates(self.rules, stage)]
        least = max(0, stage.min_units - here.units) if here else stage.min_units
        if self.rules.ladder.moves_by and not stage.weight_ppm:
            needs.append(self._first_slice(stage, here))
        needs.append(Need("min_units", least, self._days(least, self._mirrored(stage))))
        hold_days = max(0.0, stage.least_s - here.lived_s if here else stage.least_s) / DAY_S
        slowest = max(needs, key=slowness)
        days = None if slowest.days is None else max(slowest.days, hold_days)
        waits_for = slowest.gate if slowest.units or slowest.units is None else "nothing"
        if slowest.days is not None and hold_days > slowest.days:
            waits_for = "hold"
        if above.approve == "manual":
            waits_for += f", then an operator's word for {above.label}"
        calls = self._calls(stage, needs, days)
        return StagePlan(
            stage.label, tuple(needs), stage.least_s, days, waits_for, _doubt(stage, slowest, days), calls=calls
        )

    def _calls(self, stage: Stage, needs: Sequence[Need], days: float | None) -> Spending:
        """Whom the shadow asks until the stage can be left, and what that costs."""
        traffic, wanted = self.traffic or Traffic(0.0), {need.gate: need.units or 0 for need in needs}
        alone = FIRST_SLICE if self.rules.ladder.moves_by and not stage.weight_ppm else ""
        scores = [(gate, wanted.get(alone or gate.name, 0)) for gate in self.rules.gates.qualities]
        timed = {gate.name for gate in self.rules.gates.latencies}
        pairs = max((units for name, units in wanted.items() if name not in timed), default=0)
        if days is not None and traffic.units_per_day:
            pairs = max(pairs, round(days * traffic.units_per_day * self._mirrored(stage)))
        owned = max((units for _, units in scores), default=0) if stage.weight_ppm >= ARMS_FROM_PPM else 0
        twice = max((units for gate, units in scores if gate.asks_twice), default=0)
        judged = sum(round(units / gate.scale) for gate, units in scores if gate.scale > 1)
        counts = [round(each * traffic.turns) for each in (pairs, owned, twice, judged)]
        prices = (traffic.candidate_usd, traffic.baseline_usd, traffic.baseline_usd, traffic.judged_usd)
        costs = [n * usd if usd is not None else None for n, usd in zip(counts, prices, strict=True) if n]
        known = [usd for usd in costs if usd is not None]
        usd = sum(known) if len(known) == len(costs) else None
        return Spending(counts[0], counts[1], counts[2], counts[3], usd)

    def _need(self, gate: str, stage: Stage, here: StageProgress | None) -> Need:
        units, share = self._planned(gate, stage)
        if here and gate in here.to_go:
            units = here.to_go[gate]
        elif here and units is not None:
            units = max(0, units - here.seen.get(gate, 0))
        return self._worth(Need(gate, units, self._days(units, share)), share)

    def _first_slice(self, stage: Stage, here: StageProgress | None) -> Need:
        """Where slices move alone: until the first of them is certified, which is all that the shadow asks of them."""
        share, seen = self._mirrored(stage), [*here.to_go.items()] if here else []
        to_go = [units for gate, units in seen if "@" in gate and units is not None]
        units = first_slice_units(self.rules, SPREADS["quality"], SLICES_PLANNED)
        if to_go and here:
            units = min(to_go) * SLICES_PLANNED
        return self._worth(Need(FIRST_SLICE, units, self._days(units, share)), share)

    def _worth(self, need: Need, share: float) -> Need:
        """What it takes of users who come again; where they cannot say so much, never."""
        users, rho = self.traffic.users if self.traffic else 0, self.rules.units.rho_users
        if need.units is None:
            return replace(need, never="the candidate is at or beyond its limit")
        units = units_worth(need.units, users, rho)
        if units is None:
            worth = most_worth(users, rho)
            return Need(need.gate, None, None, f"at most {worth:.0f} units' worth of evidence from {users} users")
        return Need(need.gate, units, self._days(units, share))

    def _planned(self, gate: str, stage: Stage) -> tuple[int | None, float]:
        """Units that the stage needs from its beginning, and the share of conversations they come from."""
        gates, share, factor = self.rules.gates, self._mirrored(stage), 1.0
        if latency := next((each for each in gates.latencies if each.name == gate), None):
            return _latency_units(latency), stage.served_ppm / PPM
        margin, scale = gates.errors.margin if gates.errors else 0.0, 1.0
        if quality := next((each for each in gates.qualities if each.name == gate), None):
            margin, scale = quality.margin, quality.scale
            if stage.reverse_shadow_ppm and stage.weight_ppm:
                asked_ppm = stage.reverse_until_ppm or stage.reverse_shadow_ppm
                share = stage.served_ppm / PPM * asked_ppm / PPM
        elif gate == "validity" and gates.validity is not None:
            margin = gates.validity.margin
        elif stage.weight_ppm >= ARMS_FROM_PPM:
            share, factor = min(stage.served_ppm, PPM - stage.served_ppm) / PPM, _ARMS_FACTOR
        units = self._units(gate, margin, scale)
        if gate.partition(":")[0] == "quality" and not stage.weight_ppm:
            factor *= longer(self.among)
        return None if units is None else round(units * factor), share

    def _units(self, gate: str, margin: float, scale: float) -> int | None:
        """Units for a mean of differences; scores of a share of the pairs, weighted by it, spread wider."""
        spread, difference = SPREADS[gate.partition(":")[0]] * scale**0.5, max(0.0, -TWICE * margin)
        if gate == "quality" and self.stands and self.stands.spread is not None:
            spread, difference = self.stands.spread, self.stands.difference
        return stats.units_needed(spread, margin + difference, bets=self.rules.bets)

    def _mirrored(self, stage: Stage) -> float:
        """The share of eligible conversations that become pairs: of those the baseline answers, the mirrored ones."""
        return (PPM - stage.served_ppm) / PPM * self.shadow.sample / PPM

    def _days(self, units: int | None, share: float) -> float | None:
        if units is None or self.traffic is None or not self.traffic.units_per_day or not share:
            return None
        return units / (self.traffic.units_per_day * share)


def _gates(rules: Rules, stage: Stage) -> Iterator[str]:
    """The gates that must be certified, with evidence of this very stage, to leave it."""
    alone = bool(rules.ladder.moves_by)
    compared = (not stage.weight_ppm and not alone) or stage.weight_ppm >= ARMS_FROM_PPM
    wanted = (
        *((gate.name, compared) for gate in rules.gates.qualities),
        ("validity", rules.gates.validity is not None),
        ("errors", rules.gates.errors is not None),
        *((gate.name, bool(stage.weight_ppm)) for gate in rules.gates.latencies),
    )
    return (gate for gate, is_needed in wanted if is_needed)


def _latency_units(gate: Latency) -> int | None:
    """Units for the share of requests within the limit, and those that warm up."""
    allowed = 1 - gate.quantile
    exceeded = allowed * _EXCEEDED
    units = stats.units_needed((exceeded * (1 - exceeded)) ** 0.5, allowed - exceeded)
    return None if units is None else units + gate.warmup


def _doubt(stage: Stage, slowest: Need, days: float | None) -> str:
    if slowest.units is None:
        return f"{slowest.gate} is never certified: {slowest.never}"
    if not stage.by_pairs and slowest.units > stage.max_units:
        return f"{slowest.gate} needs about {slowest.units} units, max_units is {stage.max_units}"
    if days is not None and days > stage.max_s / DAY_S:
        return f"at this traffic it takes {days:.0f} days, max_time is {stage.max_s / DAY_S:g}"
    return ""
