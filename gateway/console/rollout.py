"""`/routes/R`: one rollout: the sentence, the ladder, gates as intervals against their limits, and what to say to it.

What a verb would do is not described here: the core's own `command` is asked, which changes nothing (it is pure).
"""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import duckdb

from gateway.admin.figure_views import GatePathView, RolloutPageView, RouteFiguresView
from gateway.admin.queries import TooSlowError
from gateway.console import drawing, words
from gateway.console.ask import Ask, AskError, ConsolePage, Row, Shown
from gateway.console.drawing import BandPoint
from gateway.console.report import not_known, told
from gateway.console.routes import forecast_of
from gateway.control.operations.orders import order_of
from gateway.control.state.port import StateDownError
from policies import explain
from policies.candidates import route_of
from policies.results import GateResult
from policies.rollout import ORDERS, STOPPED, VERBS, Decision, command
from policies.terms import Better, Verb, Verdict

BY = "console"
MIN_REASON = 8
TABS = ("now", "history", "policy")
HISTORY = 200
_BAND = 3
"""Fewest points that make a line over time."""
_WINDOWS = ("1h", "24h", "7d", "30d", "all")


@dataclass(frozen=True, slots=True)
class Rung:
    """One stage of the ladder."""

    label: str
    state: str
    """done, here, left (it was stopped there), or empty."""
    lines: tuple[str, ...]


Times = tuple[float | None, float | None]
"""Half of the answers, and 95 % of them, were this fast: milliseconds; None: not known."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast somebody answered."""

    who: str
    n: int
    first_byte: Times
    per_token: Times | None
    """None: the shadow does not measure it."""
    last_byte: Times


@dataclass(frozen=True, slots=True)
class Tile:
    """One gate over time."""

    gate: GateResult
    picture: str


def show(ask: Ask) -> Shown:
    """The page."""
    route = ask.places["route"]
    view, look, stop = found(ask)
    shown = stop or look
    tab = ask.choice("view", TABS, "now")
    standing = None if view.detail is None else view.detail.standing
    units = None if standing is None else standing.units
    since = ask.choice("since", _WINDOWS, "24h")
    gates = () if shown is None else tuple(sorted(shown.results.gates, key=lambda gate: -gate.verdict))
    context = {
        "route": route, "rollout": view.rollout, "standing": standing, "detail": view.detail, "look": shown, "tab": tab,
        "sentence": _sentence(view), "forecast": "" if stop else _forecast(view, look), "gates": gates, "stop": stop,
        "rungs": rungs(look, stop, ask.now, units=units), "tiles": tiles(view.path, gates), "figures": view.figures,
        "records_problem": view.records_problem, "verbs": verbs(look), "decisions": view.decisions,
        "policy": view.policy, "since": since, "windows": _WINDOWS, "cli": f"crossfade explain {route}",
        "told": told, "not_known": not_known, "mark": mark(look), "speeds": speeds(view.figures), "Better": Better,
    }  # fmt: skip
    return Shown("rollout", route, context, view)


def found(ask: Ask) -> tuple[RolloutPageView, Decision | None, Decision | None]:
    """The data behind the page: figures, the last evaluation, and the decision that stopped or suspended it.

    What a stopped rollout is looked at for is nothing any more: the numbers that say why are those of that decision.

    Raises:
        AskError: there is no such route.
    """
    route, pages = ask.places["route"], ask.pages
    rollout = next((each for each in pages.rollouts().rollouts if each.route == route), None)
    if rollout is None:
        raise AskError(404, f"there is no route called {route[:80]!r}. hint: / lists all routes")
    detail, look, stop, path, decisions = None, None, None, GatePathView(points=[]), []
    try:
        if rollout.standing is not None:
            detail = pages.operations.rollout(route)
            look, stop = pages.operations.looks().get(route), pages.operations.stops().get(route)
            path = pages.operations.gate_path(route)
            decisions = pages.operations.decisions(route, HISTORY).decisions
    except StateDownError:
        pass  # the page says what the table says, and why there is no more
    problem, figures = None, None
    try:
        figures = pages.route_figures(route, ask.given.get("since", "24h"))
    except (duckdb.Error, TooSlowError) as error:
        problem = str(error)
    policy = next((each for each in pages.policies().policies if each.route == route_of(route)), None)
    view = RolloutPageView(
        rollout=rollout, detail=detail, figures=figures, records_problem=problem, path=path, policy=policy,
        decisions=decisions,
    )  # fmt: skip
    return view, look, stop


def rungs(look: Decision | None, stop: Decision | None, now: float, *, units: int | None) -> list[Rung]:
    """The ladder, from left to right. `stop`: what stopped the rollout, and where. `units`: of this stage; None: it was
    not looked at since the rollout stands there.
    """
    if look is None:
        return []
    rollout = look.rollout
    listed: list[Rung] = []
    for place, stage in enumerate(rollout.ladder.stages):
        if stop is not None:
            state = "left" if place == stop.before.stage else ""
        else:
            is_past = place > rollout.stage or rollout.phase in STOPPED
            state = "" if is_past else "here" if place == rollout.stage else "done"
        lines = [f"at least {stage.min_units:,} units"]
        if stage.least_s:
            lines.append(f"hold {words.duration(stage.least_s)}")
        if stage.approve == "manual":
            lines.append("needs approval")
        if stage.holdback_ppm:
            lines.append(f"{words.share(stage.holdback_ppm / 1e6)} held back")
        if state == "here":
            least = f" of at least {words.duration(stage.least_s)}" if stage.least_s else ""
            counted = "no units" if units is None else f"{units:,} units"
            lines = [f"since {words.duration(rollout.lived_s)}{least}", f"{counted}, at least {stage.min_units:,}"]
        if state == "left" and stop is not None:
            lines = [f"{str(stop.rollout.phase).replace('_', ' ')} here", words.ago(stop.at, now)]
        listed.append(Rung(stage.label, state, tuple(lines)))
    return listed


def tiles(path: GatePathView, gates: Sequence[GateResult]) -> list[Tile]:
    """How sure each gate was, over time: an interval against its limit."""
    listed: list[Tile] = []
    for gate in gates:
        points: list[BandPoint] = []
        marks: list[tuple[float, str]] = []
        for point in path.points:
            if point.gate != gate.gate:
                continue
            then = GateResult(
                point.gate, Verdict[point.verdict], "", point.n, point.estimate, point.lower, point.upper, point.limit,
                better=gate.better,
            )  # fmt: skip
            harm = drawing.harm(then)
            if harm.estimate is None or harm.lower is None or harm.upper is None:
                continue
            points.append(BandPoint(point.at, harm.estimate, harm.lower, harm.upper))
            if not marks or marks[-1][1] != point.stage:
                marks.append((point.at, point.stage))
        if len(points) >= _BAND:
            listed.append(Tile(gate, drawing.band(gate.gate, points, marks, gate.verdict)))
    return listed


def verbs(look: Decision | None) -> list[Verb]:
    """What an operator may say where the rollout stands."""
    if look is None:
        return [Verb.ROLLBACK]
    return [verb for verb, move in zip(VERBS, ORDERS[look.rollout.phase], strict=True) if move is not None]


def speeds(figures: RouteFiguresView | None) -> list[Speed]:
    """Times of both variants, as apps had them, then as the shadow's calls had them."""
    if figures is None:
        return []
    served = [
        Speed(
            arm.variant, arm.exchanges, (arm.first_byte_ms_p50, arm.first_byte_ms_p95),
            (arm.tpot_ms_p50, arm.tpot_ms_p95), (arm.total_ms_p50, arm.total_ms_p95),
        )
        for arm in figures.arms
        if arm.variant in ("baseline", "candidate")
    ]  # fmt: skip
    asked = [
        Speed(
            f"{arm.asked.replace('_', ' ')}, in the shadow", arm.n, (arm.first_byte_ms_p50, arm.first_byte_ms_p95),
            None, (arm.total_ms_p50, arm.total_ms_p95),
        )
        for arm in figures.shadow
        if arm.came == "answered"
    ]  # fmt: skip
    return served + asked


# Verbs -------------------------------------------------------------------------------------------------------------


def ask_verb(ask: Ask) -> Shown:
    """What a verb would do, and the form to say it. Looking changes nothing."""
    verb, look = _verb(ask), found(ask)[1]
    return Shown("verb", f"{verb} {ask.places['route']}", _preview(ask, verb, look))


def say_verb(ask: Ask) -> Shown:
    """Say it. The order has the form's own name: sent twice, it is one."""
    verb, route = _verb(ask), ask.places["route"]
    reason, name = ask.form.get("reason", ""), ask.form.get("order", "")
    if len(reason) < MIN_REASON:
        context = _preview(ask, verb, found(ask)[1]) | {"problem": f"Say why, in {MIN_REASON} letters or more."}
        return Shown("verb", f"{verb} {route}", context, status=400)
    if len(name) != 16 or not name.isalnum():
        raise AskError(400, "this form is not from this console. hint: load the page again")
    done = ask.pages.operations.give(order_of(name, route, verb, by=BY, reason=reason, now=ask.now))
    if done.done:
        return Shown("verb", "", see=f"/routes/{quote(route, safe='')}?view=history")
    context = _preview(ask, verb, found(ask)[1]) | {"problem": done.problem or done.text, "reason": reason}
    return Shown("verb", f"{verb} {route}", context, status=409)


def _preview(ask: Ask, verb: Verb, look: Decision | None) -> dict[str, object]:
    route = ask.places["route"]
    would = None if look is None else command(
        look.rollout, verb, now=ask.now, by=BY, reason="…", seen=look.results
    )  # fmt: skip
    return {
        "route": route, "verb": verb, "look": look, "would": would, "problem": "", "reason": "",
        "order": secrets.token_hex(8), "where": explain.where, "least": MIN_REASON,
        "open": () if look is None else _open(look),
        "cli": f"crossfade {verb} {route} --reason '…'",
    }  # fmt: skip


def _open(look: Decision) -> list[tuple[str, Verdict]]:
    """Gates that are not certified, and guards that do not hold: what a promotion overrides."""
    gates = [(gate.gate, gate.verdict) for gate in look.results.gates if gate.required]
    guards = [(guard.guard.replace("_", " "), guard.verdict) for guard in look.results.guards if guard.required]
    return [(name, verdict) for name, verdict in (*gates, *guards) if verdict is not Verdict.PASS]


def _verb(ask: Ask) -> Verb:
    try:
        return Verb(ask.places["verb"])
    except ValueError as error:
        raise AskError(404, f"a rollout has no order {ask.places['verb'][:40]!r}. hint: {', '.join(Verb)}") from error


# Words -------------------------------------------------------------------------------------------------------------


def _sentence(view: RolloutPageView) -> str:
    if view.detail is None:
        return "No leader has evaluated this route yet. The baseline answers, unless the routing table says otherwise."
    return view.detail.standing.sentence


def _forecast(view: RolloutPageView, look: Decision | None) -> str:
    standing = None if view.detail is None else view.detail.standing
    if standing is None or look is None:
        return ""
    told = forecast_of(look, standing.units)
    if not standing.missing or look.rollout.next is None:  # from the last stage there is nowhere to go
        return f"{told[:1].upper()}{told[1:]}."
    names = [each.partition(": ")[0] for each in standing.missing]
    if len(names) > 1:
        return f"{told}. It waits for {', '.join(names)}."
    why = standing.missing[0].rpartition(": ")[2]  # the numbers before it stand in the table
    return f"{told}. It waits for {names[0]}: {why}." if why != names[0] else f"{told}. It waits for {why}."


def live(now: float, look: Decision | None) -> dict[str, str]:
    """What stands alone on one rollout's page and changes by itself; `mark` says which evidence it is of."""
    return {} if look is None else {"mark": mark(look), "looked": words.ago(look.at, now)}


def mark(look: Decision | None) -> str:
    """Which look a page shows."""
    return "" if look is None else f"{look.at:.3f}"


def csv_rows(ask: Ask) -> Iterable[Row]:
    """One row per gate, as it stands, or as it stood when the rollout was stopped."""
    _, look, stop = found(ask)
    shown = stop or look
    for gate in () if shown is None else shown.results.gates:
        yield {
            "gate": gate.gate, "verdict": gate.verdict.name, "estimate": gate.estimate, "lower": gate.lower,
            "upper": gate.upper, "limit": gate.limit, "log10_e": gate.log10_e, "needed": gate.needed, "n": gate.n,
            "units_to_go": gate.units_to_go, "required": gate.required, "reason": gate.reason,
        }  # fmt: skip


PAGE = ConsolePage("/routes/{route}", show, "Routes", ("view", "since"), rows=csv_rows)
VERB = ConsolePage("/routes/{route}/{verb}", ask_verb, "Routes", has_json=False)
SAID = ConsolePage("/routes/{route}/{verb}", say_verb, "Routes", is_form=True)
