import io
import re
from dataclasses import replace

import pytest

from gateway.demo.screen import SCALE, WIDTH, Paint, ScreenView, Terminal, WaitLine, frame, gate_line, move_line, scale
from policies.results import GateResult, Results
from policies.rollout import Decision, start
from policies.rules import CandidateKey, Rules
from policies.terms import Move, Outcome, Verdict

PLAIN, COLOR = Paint(on=False), Paint(on=True)
ROLLOUT = start(Rules("tickets", CandidateKey("own/m", revision="r1")))
GATE = GateResult("quality", Verdict.INCONCLUSIVE, "why", 412, -0.02, -0.06, 0.01, -0.05)


def _decision(move=Move.HOLD, outcome=Outcome.HOLD, stage=0, gates=(GATE,)):
    after = replace(ROLLOUT, stage=stage)
    return Decision(outcome, move, "rule", "the reason", ROLLOUT, after, 0.0, Results(gates=gates, units=412))


def _view(**more):
    return ScreenView(
        **({"elapsed_s": 62.0, "act": "an act", "look": None, "answered": {}, "failed": 0, "pace": 98.4} | more)
    )


def _bare(text):
    return re.sub(r"\x1b\[\d+m", "", text)


def test_a_gate_is_drawn_against_its_limit():
    """The limit is a wall, the interval a line, the estimate a dot, each where its number puts it."""
    drawn = scale(GATE, PLAIN)
    assert len(drawn) == SCALE
    assert drawn[0] == "─"
    assert drawn.index("┃") < drawn.index("●")
    assert drawn.rstrip()[-1] == "─"


@pytest.mark.parametrize(("lower", "upper"), [(None, None), (-0.04, 0.2), (-0.9, -0.8)])
def test_a_gate_is_drawn_whatever_is_known(lower, upper):
    """Unknown bounds and intervals wholly on one side of the limit keep the picture's width."""
    drawn = scale(replace(GATE, lower=lower, upper=upper), PLAIN)
    assert len(drawn) == SCALE
    assert drawn.count("┃") == 1


def test_a_gate_without_an_estimate_says_why():
    """Where no number is known the reason stands in its place."""
    assert gate_line(GateResult("latency", Verdict.INCONCLUSIVE, "no evidence yet"), PLAIN).endswith("no evidence yet")


def test_the_picture_says_where_things_stand():
    """Time, counts, weight with the marked stage, and each gate; without evidence it says that it waits."""
    early = "\n".join(frame(_view(), PLAIN))
    later = "\n".join(frame(_view(look=_decision(stage=3), answered={"baseline": 900, "candidate": 100}), PLAIN))
    assert "1:02" in early
    assert "waiting" in early
    assert "1,000 answered, 0 failed, 98 a second; 100 by the candidate" in later
    assert "25%" in later
    assert "[25%]" in later
    assert "412 conversations" in later
    assert "quality" in later
    assert "holds    At 25 % of the traffic: " in later
    assert max(len(line) for line in later.splitlines()) <= WIDTH


def test_colours_change_no_letter():
    """With colours the picture says the same, and without them there is no escape in it."""
    view = _view(look=_decision())
    assert [_bare(line) for line in frame(view, COLOR)] == frame(view, PLAIN)
    assert "\x1b" not in "".join(frame(view, PLAIN))


@pytest.mark.parametrize(
    ("decision", "told"),
    [
        (_decision(Move.ADVANCE, Outcome.PROMOTE, stage=1), "shadow → 1%     r1: Moved up to 1 %: every check passed"),
        (_decision(Move.ROLL_BACK, Outcome.ROLLBACK), "ROLLBACK        r1: "),
        (_decision(Move.RESTART), "a new revision  r1: Starts in the shadow"),
    ],
)
def test_a_move_says_when_what_whose_and_why(decision, told):
    """In a sentence anyone understands, in lines that fit a terminal."""
    line = move_line(decision, 75.0, PLAIN)
    assert line.split()[0] == "1:15"
    assert told in line
    assert max(map(len, line.splitlines())) <= WIDTH


def test_a_terminal_draws_over_its_last_picture_and_keeps_lines():
    """A new picture takes the place of the old one; a line that stays is written above; long lines are cut."""
    stream = io.StringIO()
    terminal = Terminal(stream, live=True, width=10)
    terminal.show(["first picture"])
    terminal.say("a line")
    terminal.show([COLOR("red", "second picture")])
    text = stream.getvalue()
    assert "first pict\n" in text
    assert "\x1b[2A\x1b[Ja line\n" in text
    assert "second pic\x1b[0m\n" in text


def test_without_a_terminal_there_are_lines_only():
    """What is piped gets no picture and no escape."""
    stream = io.StringIO()
    terminal = Terminal(stream, live=False)
    terminal.show(["picture"])
    terminal.say("a line")
    assert stream.getvalue() == "a line\n"


def test_the_picture_says_what_is_waited_for_once_nothing_moves():
    """After half a minute without a move, what ends the act and the time are in the picture; not before."""
    assert "waits" not in "\n".join(frame(_view(waits_for="the rollback", still_s=29.0), PLAIN))
    assert "waits    for the rollback; no move for 31 s" in "\n".join(
        frame(_view(waits_for="the rollback", still_s=31.0), PLAIN)
    )


def test_a_start_is_told_over_and_over_on_a_terminal_and_now_and_then_elsewhere():
    """A terminal redraws one line; a pipe gets one each quarter of a minute."""
    times = [0.0, 14.0, 15.0, 16.0, 31.0]
    for live, lines in ((True, 5), (False, 2)):
        stream, clock = io.StringIO(), iter(times)
        line = WaitLine(Terminal(stream, live=live), lambda clock=clock: next(clock), 0.0)
        for _ in times:
            line.tell("something")
        assert stream.getvalue().count("something") == lines
