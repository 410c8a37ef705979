"""When a stage could be left: the one forecast that `plan`, `status`, `explain` and the console show. Pure.

A need is what one gate still wants, and how fast that comes; the slowest of them and the hold make the forecast.
`plan` makes needs of the planning rule and of recorded traffic, `forecast` of what a leader saw last.

Nothing here decides.
"""

import math
from dataclasses import dataclass

from policies.language.amounts import duration_text
from policies.results import GateResult, Results
from policies.rollout import STOPPED, Rollout, blocks
from policies.rules import DAY_S
from policies.terms import Phase, Verdict

MIN_UNITS = "min_units"
"""Stands for a gate's name where it is the stage's own least number of units that is missing."""
_SOON = "less than a minute"
_NO_UNITS = ("guard", "fault", "unhealthy", "detector", "candidates")
"""Rules of `rollout.blocks` that no number of units meets."""


@dataclass(frozen=True, slots=True)
class Need:
    """What one gate needs in one stage."""

    gate: str
    units: int | None
    """Still to come; None: no number of units would do."""
    days: float | None
    """None: not known, or never. Infinite: none has come yet."""
    never: str = ""
    """Why no number of units would do."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a stage could be left."""

    needs: tuple[Need, ...]
    """What still needs anything; empty: everything holds."""
    hold_s: float
    """Of the stage's least time, what is left."""
    unseen: tuple[str, ...] = ()
    """Gates of which nothing is known yet."""
    ended: str = ""
    """Why there is nothing to wait for."""
    besides: tuple[str, ...] = ()
    """What keeps it here and is no matter of units: guards, alarms, faults."""

    @property
    def slowest(self) -> Need | None:
        """What it waits for longest; None: for the hold, or nothing."""
        return max(self.needs, key=slowness, default=None)

    @property
    def days(self) -> float | None:
        """Until it can be left; None: not known, or never."""
        slowest = self.slowest
        hold_days = self.hold_s / DAY_S
        if self.ended or self.unseen:
            return None
        if slowest is None:
            return None if self.besides else hold_days
        if slowest.units is None or slowest.days is None or math.isinf(slowest.days):
            return None
        return max(slowest.days, hold_days)

    @property
    def units_to_go(self) -> int | None:
        """The units that `slowest` still wants, of which the sentence tells; None: not known, or no number would do."""
        if self.unseen or any(need.units is None for need in self.needs):
            return None
        return 0 if self.slowest is None else self.slowest.units

    def __str__(self) -> str:
        """In a sentence."""
        if self.ended:
            return self.ended
        slowest = self.slowest
        if slowest is not None and slowest.units is None:
            return f"never, as it stands: {slowest.gate}: {slowest.never}"
        if self.unseen:
            return f"not known yet: no evidence of {', '.join(self.unseen)}"
        besides = f"it waits for {', '.join(self.besides)}" if self.besides else ""
        if slowest is not None:
            return f"{self._told(slowest)}{besides and f'; and {besides}'}"
        left = f"{duration_text(round(self.hold_s))} of its hold left" if self.hold_s >= 1 else ""
        if besides:
            return f"all gates hold; {besides}{left and f'; {left}'}"
        return f"everything holds; {left or 'enough'}"

    def _told(self, slowest: Need) -> str:
        told = f"{slowest.units:,} units to go for {slowest.gate}"
        if slowest.days is None:
            return told
        if math.isinf(slowest.days):
            return f"{told}; none came yet"
        days = max(slowest.days, self.hold_s / DAY_S)
        hold = ", by the hold" if days > slowest.days else ""
        lasts = days_text(days)
        about = "" if lasts == _SOON else "about "
        return f"{told}, {about}{lasts} at this pace{hold}"


def slowness(need: Need) -> tuple[float, int]:
    """By days where traffic is known, by units where it is not; what never comes is slowest."""
    if need.units is None:
        return (float("inf"), 0)
    return (need.days or 0.0, need.units)


def forecast(rollout: Rollout, results: Results) -> Forecast:
    """When the stage that a rollout stands on could be left, at the pace at which its units have come."""
    hold_s = least_left_s(rollout, results)
    if rollout.phase in STOPPED:
        return Forecast((), 0.0, ended=f"{rollout.phase}: nothing comes of more units")
    if rollout.phase is Phase.SUSPENDED:
        return Forecast((), hold_s, ended="suspended: nothing is counted until it was tried")
    if rollout.next is None:
        return Forecast((), hold_s, ended="it stands on the ladder's last stage")
    wanted = [gate for gate in results.gates if gate.required and gate.verdict is not Verdict.PASS]
    unseen = tuple(gate.gate for gate in wanted if gate.estimate is None and gate.units_to_go is None)
    most = results.intake.most_worth or math.inf
    needs = [_need(gate, rollout.lived_s, most) for gate in wanted if gate.gate not in unseen]
    missing = max(0, rollout.at.min_units - results.units)
    if missing:
        needs.append(Need(MIN_UNITS, missing, _days(missing, results.units, rollout.lived_s)))
    if rollout.ladder.moves_by and not rollout.held.moving:
        alone = [gate for gate in results.gates if "@" in gate.gate and gate.units_to_go is not None]
        soonest = min((_need(gate, rollout.lived_s, most) for gate in alone), key=slowness, default=None)
        needs += [soonest] if soonest is not None and soonest.units else []
        unseen = unseen if alone else (*unseen, f"slices by {rollout.ladder.moves_by}")
    besides = tuple(rule for rule, _ in blocks(rollout, results) if rule.partition(" ")[0] in _NO_UNITS)
    return Forecast(tuple(needs), hold_s, unseen, besides=besides)


def finish_days(rollout: Rollout, results: Results) -> float | None:
    """Days until the ladder's last stage, at the pace of now; infinite: never, as it stands; None: not known.

    Of the stages between, no more than their least time is known: it takes as long at least.
    """
    here = forecast(rollout, results)
    slowest = here.slowest
    if slowest is not None and slowest.units is None and not here.ended:
        return math.inf
    between = rollout.ladder.stages[rollout.stage + 1 : -1]
    return None if here.days is None else here.days + sum(stage.least_s for stage in between) / DAY_S


def least_left_s(rollout: Rollout, results: Results) -> float:
    """How long a stage lasts still, whatever is certified: its least time, and where a certificate of today was not
    there at the end of the last whole day, until the end of this one.
    """
    left_s = max(0.0, rollout.at.least_s - rollout.lived_s)
    is_new = any(rule == "days" for rule, _ in blocks(rollout, results))
    return max(left_s, DAY_S - rollout.lived_s % DAY_S) if is_new else left_s


def _need(gate: GateResult, lived_s: float, most: float) -> Need:
    """What a gate still wants by its own estimate, at its own pace. `most`: all that its users are worth together."""
    if gate.units_to_go is None:
        return Need(gate.gate, None, None, "at these estimates no number of units would do")
    return Need(gate.gate, gate.units_to_go, _days(gate.units_to_go, min(gate.n, most), lived_s))


def _days(units: int, came: float, lived_s: float) -> float | None:
    """None: there is no pace, as of pairs that do not say when they were."""
    if not came:
        return math.inf
    return units * lived_s / came / DAY_S if lived_s else None


def most_worth(users: int, rho: float) -> float:
    """What all conversations of so many users are worth together, however many there are."""
    return users / rho if rho else float("inf")


def units_worth(needed: int, users: int, rho: float) -> int | None:
    """Units that are worth `needed`, if so many users make them evenly; None: no number is.

    Solves w(m) = m / (1 + (m - 1) rho) for a user's m units (`policies.clusters`).
    """
    if not users or not rho or needed <= users:
        return needed
    each = needed / users
    return None if each * rho >= 1 else round(users * each * (1 - rho) / (1 - each * rho))


def days_text(days: float) -> str:
    """As people say it."""
    if days >= 2:
        return f"{days:,.0f} days"
    if days * 24 >= 2:
        return f"{days * 24:.0f} hours"
    minutes = round(days * 1440)
    if not minutes and days:
        return _SOON
    return f"{minutes} minute{'' if minutes == 1 else 's'}"


def need_text(need: Need) -> str:
    """One need in words."""
    if need.units is None:
        return f"never: {need.never or 'no number of units would do'}"
    return f"{need.units} units" + ("" if need.days is None else f", {days_text(need.days)}")
