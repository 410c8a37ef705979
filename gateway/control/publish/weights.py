"""From policies and rollouts to what is published: each route's weight, what it serves, and the shadow's plan. Pure.

Rules:
1. A weight is what `policies.published` says.
2. An exchange is evidence only where the published weight is the rollout's own, and of a suspended rollout only once
   it is tried.
3. How long a candidate may take is the same on every node: made of the policy, and of the baseline's times in the
   stored rollout.
4. Of several candidates one has traffic at most. While one has, or is suspended and may come back to it, the others
   rest: nobody asks them anything, and what is served tells nothing of them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from gateway.control.events.join import Served
from gateway.control.publish.policy_terms import PolicyTerms
from policies.baseline_times import limits, trial_limit_s
from policies.published import published_ppm, published_slices
from policies.review import key_of
from policies.rollout import STOPPED, Rollout
from policies.routing import PPM, Route
from policies.rules import ARMS_FROM_PPM, Rules
from policies.terms import Phase
from shadow.plan import LotSince, ShadowPlan, ShadowRoute
from shadow.sampling import Lot
from shadow.warming import WarmWish

NO_WISHES: Mapping[str, WarmWish] = {}
TABLES_TOLD = 64
"""Of how many of the last routing tables the shadow is told the lots."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """What follows for one route."""

    route: Route
    served: Served | None
    """None: no candidate is on its way."""
    shadow: ShadowRoute | None
    """None: nobody is asked in the background."""
    is_promoted: bool = False
    """Whether the candidate holds 100 %, but for what is held back."""


def weigh(route: Route, terms: PolicyTerms | None, rollout: Rollout | None, *, most_ppm: int, nodes: int) -> Weighed:
    """One route with its weight. `most_ppm`: no more than this; `nodes`: how many share a budget."""
    if terms is None or rollout is None or rollout.key != terms.rules.key:
        return Weighed(msgspec.structs.replace(route, weight_ppm=0), None, None)
    weight_ppm = published_ppm(rollout, terms.rules, most_ppm=most_ppm)
    route = msgspec.structs.replace(route, weight_ppm=weight_ppm, moving=published_slices(rollout, terms.rules))
    if route.candidate is not None:
        route = msgspec.structs.replace(route, limits=limits(route.candidate, rollout.baseline_p99))
    if rollout.phase in STOPPED or terms.mode == "bypass":
        return Weighed(route, None, None)
    plan, sliced = terms.shadow, terms.rules.gates.slices
    if terms.warm is not None:
        plan = msgspec.structs.replace(plan, cold_s=terms.warm.cold_s(rollout.weight_ppm))
    if rollout.phase is Phase.SUSPENDED:
        return _tried(route, plan, rollout, nodes, sliced)
    reverse_ppm, noise_ppm, again_reversed = shares(rollout, terms.rules, plan.noise_ppm)
    plan = msgspec.structs.replace(
        plan, reverse_ppm=reverse_ppm, noise_ppm=noise_ppm, again_reversed=again_reversed,
        budget_usd_per_day=plan.budget_usd_per_day / max(1, nodes),
    )  # fmt: skip
    if terms.mode == "split":  # nothing is compared: who was served is all there is to know
        lot = Lot(0, 0, 0, plan.salt)
        return Weighed(route, Served(key_of(rollout), lot, is_evidence=weight_ppm == rollout.weight_ppm), None)
    lot = Lot(plan.sample_ppm, reverse_ppm, noise_ppm, plan.salt, again_reversed)
    served = Served(key_of(rollout), lot, is_evidence=weight_ppm == rollout.weight_ppm, sliced_by=sliced)
    return Weighed(route, served, plan, is_promoted=weight_ppm > 0 and rollout.at.weight_ppm == PPM)


def _tried(route: Route, plan: ShadowRoute, rollout: Rollout, nodes: int, sliced: tuple[str, ...]) -> Weighed:
    """A suspended candidate: nobody is asked at first; then it is, beside every answer of the baseline."""
    lot = Lot(PPM if rollout.is_tried else 0, 0, 0, plan.salt)
    first_byte_s = trial_limit_s(plan.candidate, rollout.baseline_p99)
    plan = msgspec.structs.replace(
        plan, sample_ppm=lot.sample_ppm, reverse_ppm=0, noise_ppm=0, again_reversed=False,
        candidate=msgspec.structs.replace(plan.candidate, first_byte_s=first_byte_s),
        budget_usd_per_day=plan.budget_usd_per_day / max(1, nodes),
    )  # fmt: skip
    return Weighed(route, Served(key_of(rollout), lot, is_evidence=rollout.is_tried, sliced_by=sliced), plan)


def one_serving(parts: Mapping[str, Weighed], chosen: str | None) -> tuple[Route, dict[str, Weighed]]:
    """The route with the candidate that serves, and what becomes of the others.

    `chosen`: `policies.published.served_of_several`.
    """
    first = next(iter(parts))
    if chosen is None:
        return parts[first].route, dict(parts)
    resting = {name: Weighed(msgspec.structs.replace(each.route, weight_ppm=0), None, None)
               for name, each in parts.items()}  # fmt: skip
    return parts[chosen].route, resting | {chosen: parts[chosen]}


def shares(rollout: Rollout, rules: Rules, noise_ppm: int) -> tuple[int, int, bool]:
    """How much of a stage asks the baseline in the background, once and twice, and whether twice beside the candidate.

    All of it until quality is certified on the stage; then as much as tells of a change.
    """
    stage = rollout.at
    settled = rollout.held.settled_ppm == stage.weight_ppm
    reverse_ppm = stage.reverse_shadow_ppm if settled else max(stage.reverse_shadow_ppm, stage.reverse_until_ppm)
    twice = any(gate.asks_twice for gate in rules.gates.qualities)
    needed = not stage.weight_ppm or (stage.weight_ppm >= ARMS_FROM_PPM and bool(stage.reverse_shadow_ppm))
    waits = bool(rollout.ladder.moves_by) and not set(rollout.held.moving).issuperset(rollout.drawn or ("",))
    if twice and noise_ppm and ((needed and not settled) or waits):
        noise_ppm = PPM
    return reverse_ppm, noise_ppm, twice and bool(stage.weight_ppm)


def served_of(weighed: Mapping[str, Weighed]) -> dict[str, Served]:
    """What each route serves."""
    return {name: each.served for name, each in weighed.items() if each.served is not None}


def plan_of(
    weighed: Mapping[str, Weighed],
    before: Mapping[int, Mapping[str, Served]],
    version: int,
    wishes: Mapping[str, WarmWish] = NO_WISHES,
) -> ShadowPlan:
    """What the shadow is told. `before`: what tables served, by their version; `version`: of the next one.

    `wishes`: what the leader wants to know of rollouts' servers.
    The shadow may read an exchange long after it was served, and the controller waits for whom the lot of its own
    table drew: so each route tells the lots of the last tables, too.
    """
    tables = [(number, before[number]) for number in sorted(before)[-TABLES_TOLD:]] + [(version, served_of(weighed))]
    routes = [each.shadow for each in weighed.values() if each.shadow is not None]
    return ShadowPlan(
        tuple(
            msgspec.structs.replace(route, lots=_lots(route.route, tables), warm=wishes.get(route.route))
            for route in routes
        )
    )


def _lots(route: str, tables: Iterable[tuple[int, Mapping[str, Served]]]) -> tuple[LotSince, ...]:
    """A route's lots, each from the first table that went by it."""
    found: list[LotSince] = []
    for version, routes in tables:
        served = routes.get(route)
        if served is not None and (not found or served.lot != found[-1].lot):
            found.append(LotSince(version, served.lot))
    return tuple(found)
