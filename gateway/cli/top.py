"""`crossfade top`: what `crossfade status` says, live, with each route's checks behind Enter.

Read as `status` reads it: files of this node and the shared state, so that it is true with the control plane dead.
Without a terminal before it, `status` is printed instead: once, or as often as `--times` says.
"""

import argparse
import contextlib
import curses
import sys
import time
from dataclasses import dataclass, field

from gateway import clock
from gateway.cli import context, status
from gateway.cli.failure import failed
from gateway.cli.top_screen import LineStyle, TopRow, TopState, TopView, lines, press
from gateway.config.settings_file import SettingsError
from gateway.control.operations.standings import entry
from gateway.control.state.open import open_state
from gateway.control.state.port import Decided, SharedState, StateDamagedError, StateDownError
from gateway.node.datadir import DataDir, DataDirError
from gateway.node.unknown_route import unknown_route
from policies import explain
from policies.candidates import route_of
from policies.explain import RecordError
from policies.rollout import Decision

_KEYS = {
    curses.KEY_UP: "up", curses.KEY_DOWN: "down", curses.KEY_LEFT: "left", curses.KEY_RIGHT: "right",
    curses.KEY_ENTER: "enter", curses.KEY_BACKSPACE: "backspace", 10: "enter", 13: "enter", 27: "esc", 8: "backspace",
    127: "backspace",
}  # fmt: skip
_COLORS = {LineStyle.GOOD: curses.COLOR_GREEN, LineStyle.BAD: curses.COLOR_RED}
_ATTRIBUTES = {LineStyle.HEAD: curses.A_BOLD, LineStyle.CHOSEN: curses.A_REVERSE, LineStyle.DIM: curses.A_DIM}


def run(arguments: argparse.Namespace) -> int:
    """Show it until `q`, or for as many looks as are asked for."""
    try:
        data = context.data(arguments)
    except SettingsError as error:
        return failed(error, arguments)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return _printed(arguments)
    if arguments.route and (named := _named(data)) and arguments.route not in named:
        return failed(unknown_route(arguments.route, named), arguments)
    try:
        curses.wrapper(lambda window: _Terminal(window, arguments, data).show())
    except curses.error as error:
        print(f"this terminal cannot show a screen ({error}). hint: set TERM, or crossfade status", file=sys.stderr)
        return _printed(arguments)
    return 0


def _named(data: DataDir) -> set[str]:
    """Routes of the table, and rollouts of those with several candidates."""
    return {name for each in status.read(data, now=clock.wall()).routes for name in (each.route, route_of(each.route))}


def _printed(arguments: argparse.Namespace) -> int:
    """`status`, as lines."""
    for _ in range((arguments.times or 1) - 1):
        status.run(arguments)
        sys.stdout.flush()
        time.sleep(arguments.every)  # a command by itself: nothing else runs here
    return status.run(arguments)


@dataclass(slots=True)
class _Terminal:
    """A screen that somebody looks at."""

    window: curses.window
    arguments: argparse.Namespace
    data: DataDir
    state: TopState = field(default_factory=TopState)

    def show(self) -> None:
        """Draw, wait for a key or the next look, until `q`."""
        with contextlib.suppress(curses.error):  # a terminal that cannot hide its cursor
            curses.curs_set(0)
        if curses.has_colors():
            curses.use_default_colors()
            for number, color in enumerate(_COLORS.values(), 1):
                curses.init_pair(number, color, -1)
        looks, view, next_s = 0, TopView("", (), ()), 0.0
        while not self.state.ends:
            now_s = clock.monotonic()
            if now_s >= next_s:
                if looks == self.arguments.times:
                    return
                view, looks, next_s = read(self.arguments, self.data, clock.wall()), looks + 1, now_s + self._every_s
            self._draw(view)
            self.window.timeout(max(1, round(1000 * (next_s - clock.monotonic()))))
            key = self.window.getch()
            if key == curses.KEY_RESIZE:
                curses.update_lines_cols()
            elif key != -1:
                self.state = press(self.state, _KEYS.get(key) or (chr(key) if 32 <= key < 127 else ""), view)
                self.window.redrawwin()  # whole: what another program wrote into the terminal goes with the next key

    @property
    def _every_s(self) -> float:
        return float(self.arguments.every)

    def _draw(self, view: TopView) -> None:
        height, width = self.window.getmaxyx()
        self.window.erase()
        for at, (text, style) in enumerate(lines(self.state, view, width=width - 1, height=height)):
            self.window.addnstr(
                at, 0, text.ljust(width - 1) if style is LineStyle.CHOSEN else text, width - 1, _attribute(style)
            )
        self.window.refresh()


def _attribute(style: LineStyle) -> int:
    if style in _COLORS and curses.has_colors():
        return curses.color_pair(1 + list(_COLORS).index(style))
    return _ATTRIBUTES.get(style, curses.A_NORMAL)


def read(arguments: argparse.Namespace, data: DataDir, now: float) -> TopView:
    """What `status` prints, and each route's last results."""
    state = status.read(data, now=now)
    shared = status.shared(arguments, now) if data.state.exists() else status.SharedView()
    found = _found(arguments) if data.state.exists() and shared.problem is None else {}
    rows = [
        TopRow(
            cells=status.row(each, standing := shared.rollouts.get(each.route), now),
            weight=each.weight_pct,
            moved_at=(standing or {}).get("moved_at") or 0.0,
            told=tuple(status.sentences(each, standing)),
            found=found.get(each.route),
        )
        for each in state.routes
        if arguments.route in (None, each.route, route_of(each.route))
    ]
    foot = [status.KILLED] if state.killed else []
    return TopView(status.headline(state), tuple(rows), (*foot, *status.about(state, shared)))


def _found(arguments: argparse.Namespace) -> dict[str, Decision]:
    """What was last found of each route; of one that was stopped, what stopped it."""
    try:
        where, _ = context.state(arguments)
        state = open_state(where)
        try:
            return {
                route: decision for route, look in state.looks().items() if (decision := _decision(state, route, look))
            }
        finally:
            state.close()
    except (SettingsError, DataDirError, StateDownError):
        return {}


def _decision(state: SharedState, route: str, look: Decided) -> Decision | None:
    try:
        return entry(state, route) or explain.decode(look.record).decision
    except (RecordError, StateDamagedError):
        return None
