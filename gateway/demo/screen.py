"""What the demo shows: moves as lines that stay, and below them a live picture. Plain ANSI; pure but for `Terminal`."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TextIO

from policies.first_sentence import decided_sentence, first_sentence
from policies.results import GateResult
from policies.rollout import Decision
from policies.rules import PPM
from policies.terms import Move, Verdict

WIDTH = 80
"""Columns that everything fits."""
BAR = 24
PLAIN_S = 15.0
"""Without a terminal: how often a line says where things stand."""
STILL_S = 30.0
"""Without a move for so long, the picture says what is waited for."""
SCALE = 16
_COLORS = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "blue": 34, "cyan": 36}
_VERDICTS = {Verdict.PASS: "green", Verdict.INCONCLUSIVE: "yellow", Verdict.ERROR: "yellow", Verdict.FAIL: "red"}
_MOVES = {
    Move.ADVANCE: "green",
    Move.JOIN: "green",
    Move.SUSPEND: "red",
    Move.ROLL_BACK: "red",
    Move.REJECT: "red",
    Move.PAUSE: "yellow",
}


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours words, or leaves them as they are."""

    on: bool

    def __call__(self, color: str, text: str) -> str:
        """The text in a colour."""
        return f"\x1b[{_COLORS[color]}m{text}\x1b[0m" if self.on else text


@dataclass(frozen=True, slots=True)
class ScreenView:
    """All that is known at one moment."""

    elapsed_s: float
    act: str
    """What is being watched, in a sentence."""
    look: Decision | None
    """What was last found."""
    answered: Mapping[str, int]
    """The app's answers, by variant."""
    failed: int
    pace: float
    waits_for: str = ""
    """What ends the act."""
    still_s: float = 0.0
    """How long nothing has moved."""


def clock_face(elapsed_s: float) -> str:
    """Minutes and seconds."""
    return f"{int(elapsed_s) // 60}:{int(elapsed_s) % 60:02d}"


def frame(view: ScreenView, paint: Paint) -> list[str]:
    """The live picture."""
    total = sum(view.answered.values())
    ours = view.answered.get("candidate", 0)
    failed = paint("red" if view.failed else "green", f"{view.failed} failed")
    lines = [
        paint("bold", f" {clock_face(view.elapsed_s)}  {view.act}"),
        f"       app      {total:,} answered, {failed}, {view.pace:.0f} a second; {ours:,} by the candidate",
    ]
    if view.waits_for and view.still_s >= STILL_S:
        lines.append(paint("dim", f"       waits    for {view.waits_for}; no move for {view.still_s:.0f} s"))
    if view.look is None:
        return [*lines, paint("dim", "       waiting for the first evidence")]
    rollout, results = view.look.rollout, view.look.results
    weight = rollout.weight_ppm / PPM
    filled = round(weight * BAR)
    bar = paint("cyan", "█" * filled) + paint("dim", "░" * (BAR - filled))
    lines.append(f"       weight   {bar} {weight:.0%}   {ladder(view.look, paint)}")
    lines.append(f"       units    {results.units} conversations closed at this stage")
    lines += [gate_line(gate, paint) for gate in results.gates]
    if view.look.move is not Move.HOLD:
        return lines
    told = first_sentence(rollout, results, now=view.look.at)
    return [*lines, *(paint("dim", line) for line in _wrapped("       holds    ", told))]


def ladder(look: Decision, paint: Paint) -> str:
    """The stages, the present one marked."""
    rollout = look.rollout
    stages = [
        paint("bold", f"[{stage.label}]") if at == rollout.stage else paint("dim", stage.label)
        for at, stage in enumerate(rollout.ladder.stages)
    ]
    return " ".join(stages)


def gate_line(gate: GateResult, paint: Paint) -> str:
    """One gate: its interval against its limit, and its verdict."""
    verdict = paint(_VERDICTS[gate.verdict], f"{gate.verdict.name:<12}")
    if gate.estimate is None or gate.limit is None:
        return f"       {gate.gate:<8} {verdict} {paint('dim', gate.reason)}"
    more = f", {gate.units_to_go} to go" if gate.units_to_go else ""
    numbers = f"{gate.estimate:+.3f} of {gate.limit:+.3f}, n {gate.n}{more}"
    return f"       {gate.gate:<8} {verdict} {scale(gate, paint)} {paint('dim', numbers)}"


def scale(gate: GateResult, paint: Paint) -> str:
    """The confidence sequence as a line, its estimate a dot, the limit a wall."""
    limit, middle = gate.limit or 0.0, gate.estimate or 0.0
    low = middle if gate.lower is None else gate.lower
    high = middle if gate.upper is None else gate.upper
    first, last = min(limit, low, middle), max(limit, high, middle)
    width = (last - first) or 1.0

    def at(value: float) -> int:
        return round((value - first) / width * (SCALE - 1))

    cells = [" "] * SCALE
    cells[at(low) : at(high) + 1] = "─" * (at(high) + 1 - at(low))
    cells[at(middle)] = "●"
    cells[at(limit)] = "┃"
    wall = at(limit)
    color = "green" if gate.verdict is Verdict.PASS else "yellow" if gate.verdict is not Verdict.FAIL else "red"
    return paint(color, "".join(cells[:wall])) + paint("red", "┃") + paint(color, "".join(cells[wall + 1 :]))


def move_line(decision: Decision, elapsed_s: float, paint: Paint) -> str:
    """A move, as a line that stays."""
    before, after = decision.before, decision.rollout
    where = f"{before.at.label} → {after.at.label}" if decision.move is Move.ADVANCE else str(decision.outcome)
    revision = (after if decision.move is Move.RESTART else before).key.revision
    if decision.move is Move.RESTART:
        where = "a new revision"
    head = f" {clock_face(elapsed_s)}  {where:<15}"
    first, *more = _wrapped(f"{head} ", f"{revision}: {decided_sentence(decision)}")
    told = paint(_MOVES.get(decision.move, "bold"), f"{where:<15}")
    return "\n".join([first.replace(f"{where:<15}", told, 1), *more])


def _wrapped(head: str, words: str) -> list[str]:
    """Words behind a head, in lines that fit."""
    return textwrap.wrap(words, WIDTH, initial_indent=head, subsequent_indent=" " * len(head))


@dataclass(slots=True)
class Terminal:
    """The output: a picture on a terminal, lines anywhere else."""

    stream: TextIO
    live: bool
    """A terminal, whose lines can be drawn again."""
    width: int = 100
    _drawn: int = field(default=0, init=False)

    def say(self, line: str) -> None:
        """A line that stays, above the picture."""
        self._clear()
        self.stream.write(line + "\n")
        self.stream.flush()

    def show(self, lines: Sequence[str]) -> None:
        """Draw the picture over the one before."""
        if not self.live:
            return
        self._clear()
        self.stream.write("\n" + "".join(f"{_cut(line, self.width)}\n" for line in lines))
        self.stream.flush()
        self._drawn = len(lines) + 1

    def _clear(self) -> None:
        if self._drawn:
            self.stream.write(f"\x1b[{self._drawn}A\x1b[J")
            self._drawn = 0


@dataclass(slots=True)
class WaitLine:
    """Says what a start waits for: at once on a terminal, now and then elsewhere."""

    terminal: Terminal
    now: Callable[[], float]
    began_s: float
    _told_s: float = field(default=0.0, init=False)

    def tell(self, what: str) -> None:
        """This is waited for now."""
        elapsed_s = self.now() - self.began_s
        line = f" {clock_face(elapsed_s)}  {what}"
        self.terminal.show([line])
        if not self.terminal.live and elapsed_s - self._told_s >= PLAIN_S:
            self._told_s = elapsed_s
            self.terminal.say(line)


def _cut(line: str, width: int) -> str:
    """Cut a line to the terminal's width; colour codes take no room."""
    shown, at = 0, 0
    while at < len(line) and shown < width:
        if line[at] == "\x1b":
            at = line.index("m", at) + 1
        else:
            at, shown = at + 1, shown + 1
    return line[:at] + ("\x1b[0m" if "\x1b" in line else "")
