"""What a policy would change, what each stage still has to show, and how long that takes at today's traffic.

Nothing here decides: units are planned by the rule of thumb of `stats.units_needed`, at nine chances in ten.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import cast

from policies import stats
from policies.rules import ARMS_FROM_PPM, DAY_S, PPM, Latency, Rules, Stage
from policies.schema import Policy

SPREADS: Mapping[str, float] = {"quality": 0.4, "validity": 0.1, "errors": 0.1}
"""Standard deviations of paired differences where none was seen: scores of real models have 0.3 to 0.45, rates of
half a percent have 0.1. Source: decisions, 0.4 and B.3."""
_EXCEEDED = 0.4
"""Share of the requests that a latency limit allows to exceed it, which a good candidate makes use of."""
_ARMS_FACTOR = 2.0
"""Two arms apart need about twice the units of pairs. Source: decisions, B.3 (3b)."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What is known of a route's traffic."""

    units_per_day: float
    """Eligible conversations."""
    busiest_share: float = 0.0
    """Share of the requests that the busiest unit surely makes."""
    spreads: Mapping[str, float] = field(default_factory=dict[str, float])
    """Standard deviation by gate, where it was seen."""
    differences: Mapping[str, float] = field(default_factory=dict[str, float])
    """Candidate less baseline by gate, where it was seen."""


@dataclass(frozen=True, slots=True)
class Need:
    """What one gate needs in one stage."""

    gate: str
    units: int | None
    """None: no number of units would do."""
    days: float | None
    """None: not known, or never."""


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


@dataclass(frozen=True, slots=True)
class Change:
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
    changes: tuple[Change, ...]
    restarts: str
    """Why the rollout would start again in the shadow, with no evidence; empty: it would not."""
    stages: tuple[StagePlan, ...]
    days: float | None
    """From the shadow to the last stage."""
    doubt: str = ""
    """What would keep every stage from advancing."""


def plan(before: tuple[Policy, Rules] | None, after: tuple[Policy, Rules], traffic: Traffic | None) -> Plan:
    """What putting `after` in the place of `before` means; None: the route is new, or traffic is not known."""
    policy, rules = after
    climb = _Climb(rules, policy.shadow.sample / PPM, traffic)
    climbing = [climb.stage(stage, above) for stage, above in pairwise(rules.ladder.stages)]
    top = rules.ladder.stages[-1]
    last = StagePlan(top.label, (), 0.0, 0.0, "")
    days = [stage.days for stage in climbing]
    total = None if None in days else sum(day for day in days if day is not None)
    doubt = concentration(policy, traffic.busiest_share) if traffic else ""
    return Plan(policy.route, _changes(before, policy), _restarts(before, rules), (*climbing, last), total, doubt)


def gone(policy: Policy) -> Plan:
    """The plan of taking a policy's file away: its requests become traffic that nobody has a policy for."""
    return Plan(policy.route, (Change("route", policy.route, "none"),), "", (), 0.0)


def concentration(policy: Policy, busiest_share: float) -> str:
    """Why one unit would keep the route from advancing; empty: none would."""
    allowed = policy.guards.unit_share
    if busiest_share <= allowed:
        return ""
    return f"one unit makes at least {busiest_share:.0%} of the requests, allowed {allowed:.0%}: nothing would advance"


def _changes(before: tuple[Policy, Rules] | None, policy: Policy) -> tuple[Change, ...]:
    if before is None:
        return (Change("route", "none", policy.route),)
    old, new = (dict(_leaves(each.model_dump(mode="json", by_alias=True), "")) for each in (before[0], policy))
    return tuple(
        Change(key, old.get(key, "none"), new.get(key, "none"))
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
    sample: float
    """Share of eligible conversations that are mirrored."""
    traffic: Traffic | None

    def stage(self, stage: Stage, above: Stage) -> StagePlan:
        needs = [self._need(gate, stage) for gate in _gates(self.rules, stage)]
        needs.append(Need("min_units", stage.min_units, self._days(stage.min_units, self._mirrored(stage))))
        hold_days = stage.hold_s / DAY_S
        slowest = max(needs, key=_slowness)
        days = None if slowest.days is None else max(slowest.days, hold_days)
        waits_for = "hold" if slowest.days is not None and hold_days > slowest.days else slowest.gate
        if above.approve == "manual":
            waits_for += f", then an operator's word for {above.label}"
        return StagePlan(stage.label, tuple(needs), stage.hold_s, days, waits_for, _doubt(stage, slowest, days))

    def _need(self, gate: str, stage: Stage) -> Need:
        gates, share, factor = self.rules.gates, self._mirrored(stage), 1.0
        if gate == "latency" and gates.latency is not None:
            units = _latency_units(gates.latency)
            return Need(gate, units, self._days(units, stage.served_ppm / PPM))
        margin, scale = gates.errors.margin if gates.errors else 0.0, 1.0
        if gate == "quality" and gates.quality is not None:
            margin, scale = gates.quality.margin, gates.quality.scale
            if stage.reverse_shadow_ppm and stage.weight_ppm:
                share = stage.served_ppm / PPM * stage.reverse_shadow_ppm / PPM
        elif gate == "validity" and gates.validity is not None:
            margin = gates.validity.margin
        elif stage.weight_ppm >= ARMS_FROM_PPM:
            share, factor = min(stage.served_ppm, PPM - stage.served_ppm) / PPM, _ARMS_FACTOR
        units = self._units(gate, margin, scale)
        units = None if units is None else round(units * factor)
        return Need(gate, units, self._days(units, share))

    def _units(self, gate: str, margin: float, scale: float) -> int | None:
        """Units for a mean of differences; scores of a share of the pairs, weighted by it, spread wider."""
        seen = self.traffic or Traffic(0.0)
        spread = seen.spreads.get(gate, SPREADS[gate] * scale**0.5)
        return stats.units_needed(spread, margin + seen.differences.get(gate, 0.0))

    def _mirrored(self, stage: Stage) -> float:
        """The share of eligible conversations that become pairs: of those the baseline answers, the mirrored ones."""
        return (PPM - stage.served_ppm) / PPM * self.sample

    def _days(self, units: int | None, share: float) -> float | None:
        if units is None or self.traffic is None or not self.traffic.units_per_day or not share:
            return None
        return units / (self.traffic.units_per_day * share)


def _gates(rules: Rules, stage: Stage) -> Iterator[str]:
    """The gates that must be certified, with evidence of this very stage, to leave it."""
    compared = not stage.weight_ppm or stage.weight_ppm >= ARMS_FROM_PPM
    wanted = (
        ("quality", rules.gates.quality is not None and compared),
        ("validity", rules.gates.validity is not None),
        ("errors", rules.gates.errors is not None),
        ("latency", rules.gates.latency is not None and bool(stage.weight_ppm)),
    )
    return (gate for gate, is_needed in wanted if is_needed)


def _latency_units(gate: Latency) -> int | None:
    """Units for the share of requests within the limit, and those that warm up."""
    allowed = 1 - gate.quantile
    exceeded = allowed * _EXCEEDED
    units = stats.units_needed((exceeded * (1 - exceeded)) ** 0.5, allowed - exceeded)
    return None if units is None else units + gate.warmup


def _slowness(need: Need) -> tuple[float, int]:
    """By days where traffic is known, by units where it is not; what never comes is slowest."""
    if need.units is None:
        return (float("inf"), 0)
    return (need.days or 0.0, need.units)


def _doubt(stage: Stage, slowest: Need, days: float | None) -> str:
    if slowest.units is None:
        return f"{slowest.gate} cannot be certified: the candidate is at or beyond its limit"
    if slowest.units > stage.max_units:
        return f"{slowest.gate} needs about {slowest.units} units, max_units is {stage.max_units}"
    if days is not None and days > stage.max_s / DAY_S:
        return f"at this traffic it takes {days:.0f} days, max_time is {stage.max_s / DAY_S:g}"
    return ""


def text(found: Plan) -> str:
    """The plan for people."""
    lines = [f"ROUTE {found.route}"]
    lines += [f"  change   {change}" for change in found.changes] or ["  no change"]
    if found.restarts:
        lines.append(f"  restart  {found.restarts}")
    for stage in found.stages:
        about = "" if stage.days is None else f"about {_days_text(stage.days)}, "
        lines.append(
            f"  {stage.stage:<8} {about}waits for {stage.slowest}" if stage.needs else f"  {stage.stage:<8} the last"
        )
        lines += [f"    {need.gate:<10}{_need_text(need)}" for need in stage.needs]
        if stage.doubt:
            lines.append(f"    doubt: {stage.doubt}")
    if found.doubt:
        lines.append(f"  doubt    {found.doubt}")
    if not found.stages:
        return "\n".join(lines)
    total = "traffic is not known: --traffic N says how many conversations a day"
    lines.append(f"  in all    {total if found.days is None else 'about ' + _days_text(found.days)}")
    return "\n".join(lines)


def _need_text(need: Need) -> str:
    if need.units is None:
        return "no number of units would do"
    return f"{need.units} units" + ("" if need.days is None else f", {_days_text(need.days)}")


def _days_text(days: float) -> str:
    if days >= 2:
        return f"{days:.0f} days"
    return f"{days * 24:.0f} hours" if days * 24 >= 2 else f"{days * 1440:.0f} minutes"
