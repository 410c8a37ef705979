"""`/`: all routes, what wants a person first, and where each rollout stands."""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import duckdb

from gateway.admin.api import Pages
from gateway.admin.figure_views import ArmView, OverviewView, RouteLine, SavingView, WantView, WeightPointView
from gateway.admin.filters import wanted
from gateway.admin.queries import TooSlowError
from gateway.admin.views import RolloutsView, RolloutView
from gateway.console import words
from gateway.console.ask import Ask, ConsolePage, Row, Shown
from gateway.control.controller.status import read_status
from gateway.control.state.port import StateDownError
from gateway.node.retiring import Retiring, retiring
from policies.candidates import is_contender, route_of
from policies.forecast import forecast
from policies.results import GateResult
from policies.rollout import STOPPED, Decision
from policies.terms import Phase

DAY_S = 86_400.0
SPARK_S = 14 * DAY_S
PHASES = ("any", *(str(phase) for phase in Phase), "none")
SORTS = ("attention", "name", "saving", "weight")
_URGENCY = {
    "damaged": 0,
    "rolled_back": 1,
    "quarantined": 1,
    "suspended": 2,
    "rejected": 2,
    "approving": 3,
    "paused": 4,
    "retires": 5,
    "policy": 6,
    "price": 7,
}
SOON_S = 60 * DAY_S
"""Before its last day a model wants a person by itself; earlier if its candidate comes too late."""

_ACTIONS = {
    "rolled_back": "What failed",
    "quarantined": "What failed",
    "suspended": "What failed",
    "rejected": "What failed",
    "approving": "Decide",
    "paused": "Decide",
    "unreadable": "Show",
}
"""Phases that want a person, and what the link to the route says."""


@dataclass(frozen=True, slots=True)
class RouteRow:
    """One route, as the list shows it."""

    rollout: RolloutView
    line: RouteLine
    gates: tuple[GateResult, ...]
    """Worst first."""
    have: int | None
    """Units seen in this stage."""
    need: int | None
    """None: not known, or no number would do."""
    forecast: str
    is_wanting: bool


def overview(ask: Ask) -> tuple[OverviewView, dict[str, Decision], dict[str, Decision]]:
    """The data behind the page: figures, each route's last evaluation, and the decisions that stopped routes."""
    rollouts = ask.pages.rollouts()
    try:
        looks, stops = ask.pages.operations.looks(), ask.pages.operations.stops()
    except StateDownError:
        looks, stops = {}, {}
    problem: str | None = None
    arms: list[ArmView] = []
    savings: list[SavingView] = []
    weights: list[WeightPointView] = []
    due = [each for each in retiring(ask.pages.data) if each.at < max(ask.now + SOON_S, each.finish_at or 0.0)]
    try:
        asked, arms, savings, weights = _figures(ask, with_models=bool(due))
        due = [each for each in due if (each.route, each.model) in asked]  # what apps have left behind may go
    except (duckdb.Error, TooSlowError) as error:
        problem = str(error)
    known = [each.saved_usd for each in savings if each.saved_usd is not None]
    lines = [_line(each, arms, savings, weights) for each in rollouts.rollouts]
    view = OverviewView(
        rollouts=rollouts,
        wants=wants(ask.pages, rollouts.rollouts, arms, due),
        lines=lines,
        exchanges=sum(arm.exchanges for arm in arms),
        by_candidates=sum(arm.exchanges for arm in arms if arm.variant == "candidate"),
        failed=sum(arm.failed for arm in arms),
        saved_usd_30d=sum(known) if known else None,
        unrouted=sum(arm.exchanges for arm in arms if not arm.route),
        records_problem=problem,
    )
    return view, looks, stops


_Figures = tuple[set[tuple[str, str]], list[ArmView], list[SavingView], list[WeightPointView]]


def _figures(ask: Ask, *, with_models: bool) -> _Figures:
    """What the records say, all of it of one moment. `with_models`: with the models that baselines are asked for."""
    lately, month, spark = (wanted("exchanges", {"since": since}, now=ask.now) for since in ("24h", "30d", "14d"))

    def read() -> _Figures:
        figures = ask.pages.figures
        asked = figures.baseline_models(lately) if with_models else set[tuple[str, str]]()
        return asked, figures.arms(lately), figures.savings(month), figures.weights(spark).points

    key = ("overview", with_models, repr(lately), repr(month), repr(spark))
    return ask.pages.figures.queries.together(key, read)


def wants(
    pages: Pages, rollouts: Sequence[RolloutView], arms: Sequence[ArmView], due: Sequence[Retiring]
) -> list[WantView]:
    """What wants a person, the most urgent first. `due`: models that are turned off too soon."""
    found = [want for each in rollouts if (want := _want(each)) is not None]
    found += map(_retires, due)
    status = read_status(pages.data.controller_status)
    for policy in status.policies if status is not None else ():
        if policy.error is not None:
            place, _, text = policy.error.partition(": ")
            found.append(WantView(route=place, kind="policy", text=text, link="/system", action="Show all"))
    for arm in arms:
        if arm.unpriced and arm.route:
            text = f"no price for {arm.unpriced:,} answers of the {arm.variant} in 24 h: its cost is unknown"
            found.append(WantView(route=arm.route, kind="price", text=text, link="/cost", action="Show cost"))
    return sorted(found, key=lambda want: _URGENCY[want.kind])


def rows(view: OverviewView, looks: Mapping[str, Decision], stops: Mapping[str, Decision]) -> list[RouteRow]:
    """The list's rows, in the table's order. Gates of a rollout that is stopped are those that stopped it."""
    wanting = {want.route for want in view.wants}
    by_route = {line.route: line for line in view.lines}
    found: list[RouteRow] = []
    for each in view.rollouts.rollouts:
        look = looks.get(each.route)
        shown = stops.get(each.route, look)
        gates = () if shown is None else tuple(sorted(shown.results.gates, key=lambda gate: -gate.verdict))
        standing = each.standing
        have = None if standing is None else standing.units
        to_go = None if standing is None else standing.units_to_go
        need = None if have is None or to_go is None else have + to_go
        told = forecast_of(look, have)
        found.append(RouteRow(each, by_route[each.route], gates, have, need, told, each.route in wanting))
    return found


def forecast_of(look: Decision | None, have: int | None) -> str:
    """When the stage could be left, in the words of `status` and `explain`."""
    if look is not None and (look.rollout.phase in STOPPED or look.rollout.phase is Phase.SUSPENDED):
        return look.reason
    if look is None or have is None:
        return "not evaluated yet"
    rollout = look.rollout
    if rollout.next is None:
        return f"holds for {words.duration(rollout.lived_s)}"
    return f"{have:,} units; {forecast(rollout, look.results)}"


def show(ask: Ask) -> Shown:
    """The page."""
    view, looks, stops = overview(ask)
    listed = _chosen(rows(view, looks, stops), ask)
    context = {
        "rows": listed, "phases": PHASES, "sorts": SORTS, "since": ask.now - SPARK_S,
        "policies": len(view.rollouts.rollouts), "mark": mark(view.rollouts), "cli": "crossfade status",
    }  # fmt: skip
    return Shown("routes", "Routes", context, view)


def csv_rows(ask: Ask) -> Iterable[Row]:
    """One row per route."""
    for row in _chosen(rows(*overview(ask)), ask):
        standing = row.rollout.standing
        yield {
            "route": row.rollout.route, "mode": row.rollout.mode, "weight": row.rollout.weight,
            "phase": "" if standing is None else standing.phase, "stage": "" if standing is None else standing.stage,
            **row.line.model_dump(exclude={"route", "weights"}),
            "units": row.have, "units_needed": row.need, "forecast": row.forecast,
        }  # fmt: skip


def live(pages: Pages, now: float) -> dict[str, str]:
    """What stands alone on every page and changes by itself; `mark` says where all routes stand."""
    return {"now": f"{words.moment(now)[11:16]} UTC", "mark": mark(pages.rollouts())}


def mark(view: RolloutsView) -> str:
    """A digest of where all routes stand: it changes when one moves."""
    stands = [f"{each.route}:{0 if each.standing is None else each.standing.version}" for each in view.rollouts]
    told = "\n".join([str(view.table_version), str(view.killed), *stands])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _want(each: RolloutView) -> WantView | None:
    standing = each.standing
    if standing is None:
        return None
    link = f"/routes/{quote(each.route, safe='')}"
    action = _ACTIONS.get(standing.phase)
    if action is None:
        return None
    kind = "damaged" if standing.phase == "unreadable" else standing.phase
    return WantView(route=each.route, kind=kind, text=standing.sentence, link=link, action=action)


def _retires(each: Retiring) -> WantView:
    """What happens when, beside when the candidate could answer instead, and the command that says what next."""
    text = f"Its provider turns {each.model} off on {words.day(each.at)}"
    if each.finish_at is not None:
        has_all = "the candidate has all traffic"
        is_never = math.isinf(each.finish_at)
        text += f"; at today's pace {has_all} {'never' if is_never else f'on {words.day(each.finish_at)}'}"
    link = f"/readiness?route={quote(each.route, safe='')}"
    text += f". `crossfade readiness {each.route}` says what next."
    return WantView(route=each.route, kind="retires", text=text, link=link, action="What next")


def _line(
    rollout: RolloutView,
    arms: Sequence[ArmView],
    savings: Sequence[SavingView],
    weights: Sequence[WeightPointView],
) -> RouteLine:
    """A route's figures; with several candidates, those of the one that serves."""
    route, serves = route_of(rollout.route), bool(rollout.weight) or not is_contender(rollout.route)
    ours = {arm.variant: arm for arm in arms if arm.route == route}
    base, cand = ours.get("baseline"), ours.get("candidate") if serves else None
    return RouteLine(
        route=rollout.route,
        exchanges=sum(arm.exchanges for arm in ours.values()),
        eligible=sum(arm.eligible for arm in ours.values()),
        first_byte_ms_p95_baseline=None if base is None else base.first_byte_ms_p95,
        first_byte_ms_p95_candidate=None if cand is None else cand.first_byte_ms_p95,
        cost_usd_each_baseline=_each(base),
        cost_usd_each_candidate=_each(cand),
        saved_usd_30d=next((each.saved_usd for each in savings if each.route == route and serves), None),
        weights=[point for point in weights if point.route == route and serves],
    )


def _each(arm: ArmView | None) -> float | None:
    priced = 0 if arm is None else arm.exchanges - arm.unpriced
    return None if arm is None or arm.cost_usd is None or priced <= 0 else arm.cost_usd / priced


def _chosen(listed: list[RouteRow], ask: Ask) -> list[RouteRow]:
    """The rows that are asked for, in the order that is asked for."""
    phase, sort = ask.choice("phase", PHASES, "any"), ask.choice("sort", SORTS, "attention")
    text = ask.given.get("q", "")
    found = [row for row in listed if _has(row, text) and (phase == "any" or _phase(row) == phase)]
    match sort:
        case "name":
            found.sort(key=lambda row: row.rollout.route)
        case "saving":
            found.sort(key=lambda row: -(row.line.saved_usd_30d or 0.0))
        case "weight":
            found.sort(key=lambda row: -row.rollout.weight)
        case _:
            found.sort(key=lambda row: (not row.is_wanting, -row.rollout.weight))
    return found


def _phase(row: RouteRow) -> str:
    return "none" if row.rollout.standing is None else row.rollout.standing.phase


def _has(row: RouteRow, text: str) -> bool:
    """Whether a route's name or models have every word; `!x` is one they must not have, `"x"` the whole name."""
    candidate, baseline = row.rollout.candidate, row.rollout.baseline
    models = [f"{each.upstream}/{each.model or ''}" for each in (baseline, candidate) if each is not None]
    name = row.rollout.route
    for word in text.split():
        if word.startswith('"') and word.endswith('"') and len(word) > 1:
            if name != word.strip('"'):
                return False
        elif word.startswith("!") and len(word) > 1:
            if any(word[1:] in each for each in (name, *models)):
                return False
        elif not any(word in each for each in (name, *models)):
            return False
    return True


PAGE = ConsolePage("/", show, "Routes", ("q", "phase", "sort"), rows=csv_rows)
