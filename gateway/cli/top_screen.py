"""What `crossfade top` shows and what its keys do, as values: pure, so that no terminal is needed to test it."""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from gateway.cli.layout import shortened
from gateway.cli.status import HEAD
from policies.results import GateResult
from policies.rollout import Decision
from policies.terms import Verdict

KEYS = "Up/Down choose  Enter checks  s sort  r reverse  / filter  q quit"
CHECK_KEYS = "Up/Down scroll  Left/Right other route  Esc back  q quit"
FILTER_KEYS = "type a part of a route or a phase  Enter keep  Esc all"
_GATES = ("CHECK", "VERDICT", "ESTIMATE", "LOW .. HIGH", "LIMIT", "LOG10 E", "TO GO")


class Sort(StrEnum):
    """The order in which routes are listed."""

    ROUTE = "route"
    WEIGHT = "weight"
    PHASE = "phase"
    MOVED = "last move"


class LineStyle(StrEnum):
    """How a line is drawn."""

    PLAIN = ""
    HEAD = "head"
    CHOSEN = "chosen"
    GOOD = "good"
    BAD = "bad"
    DIM = "dim"


@dataclass(frozen=True, slots=True)
class TopRow:
    """One route."""

    cells: tuple[str, ...]
    """As `crossfade status` has them, under HEAD."""
    weight: float
    moved_at: float
    """0: it never moved."""
    told: tuple[str, ...]
    """Where it stands and why, in sentences."""
    found: Decision | None
    """What was last found, or what stopped it; None: nobody has looked yet."""

    @property
    def route(self) -> str:
        """The route's name."""
        return self.cells[0]

    @property
    def phase(self) -> str:
        """Where its rollout stands."""
        return self.cells[3]


@dataclass(frozen=True, slots=True)
class TopView:
    """All that is known at one moment."""

    head: str
    rows: tuple[TopRow, ...]
    foot: tuple[str, ...]
    """What concerns no single route: lag, processes that do not run, policies that do not load."""


@dataclass(frozen=True, slots=True)
class TopState:
    """What whoever looks has chosen."""

    sort: Sort = Sort.ROUTE
    backwards: bool = False
    wanted: str = ""
    """A part of a route's name or of its phase."""
    types: bool = False
    """The keys are letters of `wanted`."""
    chosen: str = ""
    """A route; empty or gone: the first."""
    opened: bool = False
    """Its checks are shown."""
    scrolled: int = 0
    ends: bool = False

    def shown(self, view: TopView) -> list[TopRow]:
        """The routes that are wanted, in order."""
        rows = [row for row in view.rows if self.wanted.lower() in f"{row.route} {row.phase}".lower()]
        keys: dict[Sort, Callable[[TopRow], tuple[float | str, str]]] = {
            Sort.ROUTE: lambda row: ("", row.route),
            Sort.WEIGHT: lambda row: (-row.weight, row.route),
            Sort.PHASE: lambda row: (row.phase, row.route),
            Sort.MOVED: lambda row: (-row.moved_at, row.route),
        }
        return sorted(rows, key=keys[self.sort], reverse=self.backwards)

    def row(self, view: TopView) -> TopRow | None:
        """The chosen route; None: none is wanted."""
        rows = self.shown(view)
        return next((row for row in rows if row.route == self.chosen), rows[0] if rows else None)


def press(state: TopState, key: str, view: TopView) -> TopState:
    """What a key does: a letter, or `up`, `down`, `left`, `right`, `enter`, `esc`, `backspace`."""
    if state.types:
        return _typed(state, key)
    if key == "q":
        return replace(state, ends=True)
    if state.opened:
        return _pressed_in_checks(state, key, view)
    match key:
        case "up" | "down":
            return _moved(state, view, 1 if key == "down" else -1)
        case "enter" if (row := state.row(view)) is not None:
            return replace(state, opened=True, chosen=row.route, scrolled=0)
        case "s":
            order = list(Sort)
            return replace(state, sort=order[(order.index(state.sort) + 1) % len(order)])
        case "r":
            return replace(state, backwards=not state.backwards)
        case "/":
            return replace(state, types=True, wanted="")
        case "esc":
            return replace(state, wanted="")
        case _:
            return state


def _typed(state: TopState, key: str) -> TopState:
    match key:
        case "enter":
            return replace(state, types=False)
        case "esc":
            return replace(state, types=False, wanted="")
        case "backspace":
            return replace(state, wanted=state.wanted[:-1])
        case _ if len(key) == 1 and key.isprintable():
            return replace(state, wanted=state.wanted + key)
        case _:
            return state


def _pressed_in_checks(state: TopState, key: str, view: TopView) -> TopState:
    match key:
        case "esc" | "enter" | "backspace":
            return replace(state, opened=False)
        case "up":
            return replace(state, scrolled=max(0, state.scrolled - 1))
        case "down":
            return replace(state, scrolled=state.scrolled + 1)
        case "left" | "right":
            return replace(_moved(state, view, 1 if key == "right" else -1), scrolled=0)
        case _:
            return state


def _moved(state: TopState, view: TopView, by: int) -> TopState:
    rows, row = state.shown(view), state.row(view)
    if row is None:
        return state
    at = min(max(rows.index(row) + by, 0), len(rows) - 1)
    return replace(state, chosen=rows[at].route)


@dataclass(slots=True)
class _Screen:
    """Lines of so many columns and rows."""

    width: int
    height: int
    lines: list[tuple[str, LineStyle]] = field(default_factory=list[tuple[str, LineStyle]])

    def add(self, text: str, style: LineStyle = LineStyle.PLAIN) -> None:
        self.lines.append((shortened(text, self.width), style))

    def wrap(self, text: str, style: LineStyle = LineStyle.PLAIN, indent: str = "") -> None:
        for line in textwrap.wrap(text, max(20, self.width), initial_indent=indent, subsequent_indent=indent):
            self.add(line, style)

    def table(self, head: Sequence[str], rows: Sequence[tuple[Sequence[str], LineStyle]]) -> None:
        """The rows as a table; if it is too wide, the first column is cut."""
        widths = [max(len(cells[at]) for cells in (head, *(cells for cells, _ in rows))) for at in range(len(head))]
        widths[0] = min(widths[0], max(8, self.width - sum(widths[1:]) - 2 * (len(widths) - 1)))
        for cells, style in ((head, LineStyle.HEAD), *rows):
            padded = [shortened(cell, width).ljust(width) for cell, width in zip(cells, widths, strict=True)]
            self.add("  ".join(padded).rstrip(), style)


def lines(state: TopState, view: TopView, *, width: int, height: int) -> list[tuple[str, LineStyle]]:
    """The screen: at most `height` lines of at most `width` columns, the keys in the last."""
    row = state.row(view)
    if state.opened and row is not None:
        body, keys = _checks(row, width), CHECK_KEYS
        room = max(0, height - 2)
        first = min(state.scrolled, max(0, len(body) - room))
        return [_fit(view.head, width, LineStyle.HEAD), *body[first : first + room], _fit(keys, width, LineStyle.DIM)]
    keys = FILTER_KEYS if state.types else KEYS
    below = _Screen(width, height)
    for sentence in row.told if row is not None else ():
        below.wrap(sentence)
    for sentence in view.foot:
        below.wrap(sentence, LineStyle.DIM)
    room = max(4, height - 5 - len(below.lines))
    found = [
        _fit(view.head, width, LineStyle.HEAD),
        _fit(_order(state, view), width, LineStyle.DIM),
        *_table(state, view, width, room),
    ]
    found += [("", LineStyle.PLAIN), *below.lines]
    return [*found[: height - 1], _fit(keys, width, LineStyle.DIM)]


def _fit(text: str, width: int, style: LineStyle) -> tuple[str, LineStyle]:
    return shortened(text, width), style


def _order(state: TopState, view: TopView) -> str:
    shown, order = len(state.shown(view)), f"by {state.sort}{', reversed' if state.backwards else ''}"
    wanted = f"; only {state.wanted!r}" if state.wanted or state.types else ""
    return f"{shown} of {len(view.rows)} routes {order}{wanted}"


def _table(state: TopState, view: TopView, width: int, room: int) -> list[tuple[str, LineStyle]]:
    """The routes that fit, the chosen one among them."""
    rows, chosen = state.shown(view), state.row(view)
    screen = _Screen(width, room)
    if chosen is None:
        screen.wrap("No route is wanted by this filter." if view.rows else _NO_ROUTES)
        return screen.lines
    fits = max(1, room - 1)
    first = max(0, min(rows.index(chosen) - fits // 2, len(rows) - fits))
    screen.table(
        HEAD,
        [(row.cells, LineStyle.CHOSEN if row is chosen else LineStyle.PLAIN) for row in rows[first : first + fits]],
    )
    return screen.lines


_NO_ROUTES = "No routes: every request goes to the default upstream. A policy makes one: docs/first-migration.md."


def _checks(row: TopRow, width: int) -> list[tuple[str, LineStyle]]:
    """Everything that was last found of a route, beginning with where it stands."""
    screen = _Screen(width, 0)
    screen.add(f"{row.route}  stage {row.cells[1]}, weight {row.cells[2]}, {row.phase}", LineStyle.CHOSEN)
    for sentence in row.told:
        screen.wrap(sentence)
    screen.add("")
    if row.found is None:
        screen.wrap("Nothing has been found of it yet: a leader looks every few seconds while `crossfade serve` runs.")
        return screen.lines
    results = row.found.results
    screen.table(_GATES, [(_gate(gate), _style(gate.verdict)) for gate in results.gates])
    for guard in results.guards:
        if guard.verdict is not Verdict.PASS:
            screen.wrap(f"guard {guard.guard}: {guard.verdict.name}, {guard.reason}", _style(guard.verdict))
    if well := [guard.guard for guard in results.guards if guard.verdict is Verdict.PASS]:
        screen.wrap(f"guards that are well: {', '.join(well)}", LineStyle.DIM)
    for alarm in results.alarms:
        told = f"detector {alarm.detector}: {alarm.log10_m:.1f} of {alarm.limit:.1f}"
        screen.wrap(
            f"{told}, ALARM: {alarm.reason}" if alarm.raised else told, LineStyle.BAD if alarm.raised else LineStyle.DIM
        )
    return screen.lines


def _gate(gate: GateResult) -> tuple[str, ...]:
    def number(value: float | None, form: str = "+.3f") -> str:
        return "-" if value is None else format(value, form)

    strength = "-" if gate.log10_e is None else f"{gate.log10_e:.2f}/{number(gate.needed, '.2f')}"
    between = "-" if gate.lower is None and gate.upper is None else f"{number(gate.lower)} .. {number(gate.upper)}"
    name = gate.gate if gate.required else f"({gate.gate})"
    to_go = "-" if not gate.units_to_go else str(gate.units_to_go)
    return name, gate.verdict.name, number(gate.estimate), between, number(gate.limit), strength, to_go


def _style(verdict: Verdict) -> LineStyle:
    return {Verdict.PASS: LineStyle.GOOD, Verdict.FAIL: LineStyle.BAD, Verdict.ERROR: LineStyle.BAD}.get(
        verdict, LineStyle.PLAIN
    )
