"""What one stage still has to show, how long that takes at today's traffic, and what it costs.

Nothing here decides: units are planned by the rule of thumb of `stats.units_needed`, at nine chances in ten.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import NormalDist

from policies import stats
from policies.assumptions import EXCEEDED, TWICE
from policies.candidates import longer
from policies.concurrent import partners
from policies.forecast import Need, days_text, most_worth, slowness, units_worth
from policies.moving_slices import first_slice_units
from policies.readings import gates_of
from policies.rules import ARMS_FROM_PPM, DAY_S, PPM, Latency, Rules, Stage
from policies.schema import Shadow

SPREADS: Mapping[str, float] = {"quality": 0.4, "validity": 0.1, "errors": 0.1}
"""Standard deviations of paired differences where none was seen: scores of real models have 0.3 to 0.45, rates of
half a percent have 0.1. Source: decisions, 0.4 and B.3."""
FIRST_SLICE = "first slice"
"""Stands for a gate's name where slices move alone, and nothing moves before the first of them does."""
SLICES_PLANNED = 5
"""Equal slices, where nothing is known of them."""
LATENCY_SPREAD = 0.6
"""Standard deviation of the logarithm of times. Source: the simulations of decisions-2, ruling 3."""
_SMALL_SPREAD, _SMALL_SPREAD_FACTOR = 0.25, 1.25
"""Of rare events the rule of thumb is a fifth low. Source: decisions-2, ruling 6."""
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
    is_hourly: bool = False
    """The candidate's servers are paid by the hour: no budget is charged for what they answer."""

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
    paid: str = ""
    """How much of what would be asked the day's budget pays for; empty: all of it, as far as prices are known."""


@dataclass(frozen=True, slots=True)
class Climb:
    """A ladder, and what climbs it."""

    rules: Rules
    shadow: Shadow
    traffic: Traffic | None
    stands: StageProgress | None
    among: int = 1
    """Candidates that are tried."""
    judged: float = 0.0
    """Share of the pairs that a judge is asked about."""

    def stage(self, stage: Stage, above: Stage) -> StagePlan:
        """What leaving a stage for the one above takes."""
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
            stage.label, tuple(needs), stage.least_s, days, waits_for, _doubt(stage, slowest, days), calls=calls,
            paid=self._paid_text(stage),
        )  # fmt: skip

    def _calls(self, stage: Stage, needs: Sequence[Need], days: float | None) -> Spending:
        """Whom the shadow asks until the stage can be left, and what that costs."""
        traffic, wanted = self.traffic or Traffic(0.0), {need.gate: need.units or 0 for need in needs}
        alone = FIRST_SLICE if self.rules.ladder.moves_by and not stage.weight_ppm else ""
        scores = [(gate, wanted.get(alone or gate.name, 0)) for gate in self.rules.gates.qualities]
        timed = {gate.name for gate in self.rules.gates.latencies} if stage.weight_ppm else set[str]()
        pairs = max((units for name, units in wanted.items() if name not in timed), default=0)
        if days is not None and traffic.units_per_day:
            pairs = max(pairs, round(days * traffic.units_per_day * self._mirrored(stage)))
        owned = max((units for _, units in scores), default=0) if stage.weight_ppm >= ARMS_FROM_PPM else 0
        twice = max((units for gate, units in scores if gate.asks_twice), default=0)
        judged = (pairs + owned) * self.judged
        counts = [round(each * traffic.turns) for each in (pairs, owned, twice, judged)]
        prices = (traffic.candidate_usd, traffic.baseline_usd, traffic.baseline_usd, traffic.judged_usd)
        costs = [n * usd if usd is not None else None for n, usd in zip(counts, prices, strict=True) if n]
        known = [usd for usd in costs if usd is not None]
        usd = sum(known) if len(known) == len(costs) else None
        return Spending(counts[0], counts[1], counts[2], counts[3], usd)

    def _usd_per_day(self, stage: Stage) -> float:
        """What a day of a stage would cost, were all of it paid for; a price that is not known counts as nothing."""
        traffic = self.traffic or Traffic(0.0)
        candidate, baseline, judge = (
            usd or 0.0 for usd in (traffic.candidate_usd, traffic.baseline_usd, traffic.judged_usd)
        )
        candidate = 0.0 if traffic.is_hourly else candidate
        among = 1 if stage.weight_ppm else self.among  # with traffic the others rest
        again = baseline if any(gate.asks_twice for gate in self.rules.gates.qualities) else 0.0
        pair = among * (candidate + self.judged * judge) + again
        own = baseline + self.judged * judge + again
        asked = self._drawn(stage) * pair + self._owned(stage) * own
        return asked * traffic.units_per_day * traffic.turns

    def _paid(self, stage: Stage) -> float:
        """The share of what is drawn that the day's budget pays for."""
        wanted = self._usd_per_day(stage)
        return min(1.0, self.shadow.budget / wanted) if wanted else float(self.shadow.budget > 0)

    def _paid_text(self, stage: Stage) -> str:
        paid = self._paid(stage)
        if paid == 1.0 or self.rules.ladder.split:
            return ""
        return f"${self.shadow.budget:,.2f} a day pays for {paid:.0%} of that, so it takes longer"

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
        if not share and not self.shadow.budget:
            return Need(need.gate, None, None, "a budget of nothing pays for no call, so no answers are compared")
        units = units_worth(need.units, users, rho)
        if units is None:
            worth = most_worth(users, rho)
            return Need(need.gate, None, None, f"at most {worth:.0f} units' worth of evidence from {users} users")
        return Need(need.gate, units, self._days(units, share))

    def _planned(self, gate: str, stage: Stage) -> tuple[int | None, float]:
        """Units that the stage needs from its beginning, and the share of conversations they come from."""
        gates, share, factor = self.rules.gates, self._mirrored(stage), 1.0
        if latency := next((each for each in gates.latencies if each.name == gate), None):
            return _latency_units(latency, stage), stage.served_ppm / PPM if stage.weight_ppm else share
        margin, scale = gates.errors.margin if gates.errors else 0.0, 1.0
        if quality := next((each for each in gates.qualities if each.name == gate), None):
            margin, scale = quality.margin, quality.scale
            if stage.reverse_shadow_ppm and stage.weight_ppm:
                margin = quality.owned.margin
                share = self._owned(stage) * self._paid(stage)
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
        (alpha,) = {each.alpha for each in gates_of(self.rules.gates)}  # a policy has one for all
        return stats.units_needed(spread, margin + difference, bets=self.rules.bets, alpha=alpha)

    def _drawn(self, stage: Stage) -> float:
        """The share of eligible conversations that are to become pairs: of those the baseline answers, the sample."""
        return (PPM - stage.served_ppm) / PPM * self.shadow.sample / PPM

    def _owned(self, stage: Stage) -> float:
        """The share of eligible conversations in which the baseline is to be asked beside the candidate's answer."""
        asked_ppm = stage.reverse_until_ppm or stage.reverse_shadow_ppm
        return stage.served_ppm / PPM * asked_ppm / PPM

    def _mirrored(self, stage: Stage) -> float:
        """The share of eligible conversations that become pairs: what is drawn of them, as far as it is paid for."""
        return self._drawn(stage) * self._paid(stage)

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
        *((gate.name, bool(stage.weight_ppm) or gate.limit_s is not None) for gate in rules.gates.latencies),
    )
    return (gate for gate, is_needed in wanted if is_needed)


def _latency_units(gate: Latency, stage: Stage) -> int | None:
    """Units for the share of requests within the limit, and those that warm up."""
    allowed = 1 - gate.quantile
    if gate.counted_by and stage.weight_ppm:
        units = _units_beside(gate, allowed, partners(stage))
    else:
        exceeded = allowed * EXCEEDED
        units = stats.units_needed((exceeded * (1 - exceeded)) ** 0.5, allowed - exceeded, alpha=gate.alpha)
    return None if units is None else units + gate.warmup


def _units_beside(gate: Latency, allowed: float, k: int) -> int | None:
    """Units beside `k` each of the baseline's, of a candidate as fast as it is; of one that must be faster: as fast as
    `assumptions.assumed` says. Within 20 % of what was simulated (decisions-2, ruling 3).
    """
    usual = NormalDist()
    exceeded = 1 - usual.cdf(usual.inv_cdf(gate.quantile) + abs(math.log(gate.ratio)) / LATENCY_SPREAD)
    sd = (allowed * (1 - allowed) / k + exceeded * (1 - exceeded)) ** 0.5
    units = stats.units_needed(sd, allowed - exceeded, alpha=gate.alpha)
    return None if units is None else round(units * (_SMALL_SPREAD_FACTOR if sd < _SMALL_SPREAD else 1.0))


def _doubt(stage: Stage, slowest: Need, days: float | None) -> str:
    if slowest.units is None:
        return f"{slowest.gate} is never certified: {slowest.never}"
    if not stage.by_pairs and slowest.units > stage.max_units:
        return f"{slowest.gate} needs about {slowest.units} units, max_units is {stage.max_units}"
    if days is not None and days > stage.max_s / DAY_S:
        longest = days_text(stage.max_s / DAY_S)
        return f"at this traffic it takes {days_text(days)}, and the stage pauses after {longest} (max_time)"
    return ""
