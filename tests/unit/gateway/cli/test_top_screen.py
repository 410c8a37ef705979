"""What `crossfade top` shows, and what its keys do: no terminal, no gateway."""

from dataclasses import replace

import pytest

from gateway.cli.top_screen import (
    CHECK_KEYS,
    FILTER_KEYS,
    KEYS,
    LineStyle,
    Sort,
    TopRow,
    TopState,
    TopView,
    lines,
    press,
)
from policies.results import Alarm, GateResult, GuardResult, Results
from policies.rollout import step
from policies.terms import Verdict
from tests.rooms.looks import CANARY, NOW

GATES = (
    GateResult("quality", Verdict.PASS, "well", n=300, estimate=0.01, lower=-0.02, upper=0.04, limit=-0.05,
               log10_e=3.2, needed=1.3),
    GateResult("errors", Verdict.INCONCLUSIVE, "not yet", estimate=-0.0033, lower=-0.0197, upper=0.0131, limit=-0.01,
               log10_e=0.65, needed=1.3, units_to_go=168),
    GateResult("cost", Verdict.ERROR, "no price", required=False),
)  # fmt: skip
FOUND = step(
    CANARY,
    Results(
        GATES,
        (GuardResult("loop", Verdict.PASS, "well"), GuardResult("drops", Verdict.ERROR, "4 % are lost")),
        (Alarm("errors", 4.2, 4.0, raised=True, reason="5 of 5 failed"),),
        units=300,
    ),
    now=NOW,
)

BEGUN = TopState()


def row(route: str, weight: float = 0.0, phase: str = "shadow", moved_at: float = 0.0) -> TopRow:
    cells = (route, "5%", f"{weight:g}%", phase, "168 units", "advance 5m ago")
    return TopRow(cells, weight, moved_at, (f"{route} stands there for a reason.",), None)


VIEW = TopView(
    "serving (pid 1)",
    (row("triage", 5, "canary", 3.0), row("billing", 50, "promoted", 2.0), row("asking", 0, "shadow", 1.0)),
    ("journal: 1.0 MiB",),
)


def pressed(*keys: str, view: TopView = VIEW, state: TopState = BEGUN) -> TopState:
    for key in keys:
        state = press(state, key, view)
    return state


def shown(state: TopState, view: TopView = VIEW, *, width: int = 80, height: int = 24) -> list[str]:
    found = lines(state, view, width=width, height=height)
    assert len(found) <= height
    assert all(len(text) <= width for text, _ in found)
    return [text for text, _ in found]


def routes(state: TopState) -> list[str]:
    return [each.route for each in state.shown(VIEW)]


def test_routes_stand_in_the_order_that_is_asked_for():
    """`s` goes on to the next order, back to the first after the last; `r` turns it round."""
    assert routes(TopState()) == ["asking", "billing", "triage"]
    assert routes(pressed("s")) == ["billing", "triage", "asking"]
    assert routes(pressed("s", "s")) == ["triage", "billing", "asking"]
    assert routes(pressed("s", "s", "s", "r")) == ["asking", "billing", "triage"]
    assert pressed("s", "s", "s", "s").sort is Sort.ROUTE


def test_a_filter_keeps_routes_and_phases_that_have_its_letters():
    """What is typed after `/` is looked for in both; its letters are no keys; Esc takes it away."""
    assert routes(pressed("/", "p", "r", "o", "x", "backspace")) == ["billing"]
    assert routes(pressed("/", "A", "S", "K", "enter")) == ["asking"]
    typed = pressed("/", "q", "s")
    assert (typed.wanted, typed.ends, typed.sort, shown(typed)[-1]) == ("qs", False, Sort.ROUTE, FILTER_KEYS)
    assert "No route is wanted by this filter." in shown(typed)
    assert routes(pressed("enter", "esc", state=typed)) == ["asking", "billing", "triage"]
    assert pressed("down", "enter", state=replace(typed, types=False)).opened is False


def test_the_screen_says_where_the_chosen_route_stands():
    """The table, the chosen route set off, its sentence, what concerns no route, and the keys in the last line."""
    state = pressed("down", "down", "down", "up")
    found = lines(state, VIEW, width=80, height=24)
    assert [text.split()[0] for text, look in found if look is LineStyle.CHOSEN] == ["billing"]
    told = shown(state)
    assert told[0] == "serving (pid 1)"
    assert {"billing stands there for a reason.", "journal: 1.0 MiB", "3 of 3 routes by route"} <= set(told)
    assert told[-1] == KEYS


def test_a_route_that_is_gone_is_no_longer_chosen():
    """The first is, then."""
    state = pressed("down")
    fewer = replace(VIEW, rows=VIEW.rows[2:])
    assert (state.row(VIEW), state.row(fewer)) == (VIEW.rows[1], VIEW.rows[2])


def test_enter_shows_the_checks_of_a_route():
    """Each gate with its numbers, guards and detectors that are not well; a check that is not required in brackets."""
    view = replace(VIEW, rows=(replace(VIEW.rows[0], found=FOUND), *VIEW.rows[1:]))
    state = pressed("down", "down", "enter", view=view)
    told = shown(state, view)
    assert told[1].startswith("triage  stage 5%, weight 5%, canary")
    for words in (
        "CHECK    VERDICT       ESTIMATE  LOW .. HIGH       LIMIT   LOG10 E    TO GO",
        "quality  PASS          +0.010    -0.020 .. +0.040  -0.050  3.20/1.30  -",
        "errors   INCONCLUSIVE  -0.003    -0.020 .. +0.013  -0.010  0.65/1.30  168",
        "(cost)   ERROR         -         -                 -       -          -",
        "guard drops: ERROR, 4 % are lost",
        "guards that are well: loop",
        "detector errors: 4.2 of 4.0, ALARM: 5 of 5 failed",
    ):
        assert words in told
    assert told[-1] == CHECK_KEYS
    assert pressed("left", view=view, state=state).chosen == "billing"
    assert pressed("esc", view=view, state=state).opened is False
    assert pressed("q", view=view, state=state).ends


def test_checks_that_do_not_fit_are_scrolled():
    """Down goes on until the last line is seen, and no further; Up comes back."""
    view = replace(VIEW, rows=(replace(VIEW.rows[0], found=FOUND),))
    low = pressed("enter", "down", "down", view=view)
    first, second = shown(pressed("enter", view=view), view, height=6), shown(low, view, height=6)
    assert second[1] == first[3]
    assert shown(pressed(*["down"] * 50, view=view, state=low), view, height=6)[-2].startswith("detector errors")
    assert pressed("up", "up", "up", view=view, state=low).scrolled == 0


def test_a_route_that_nobody_has_looked_at_says_so():
    """Without numbers there is no table of them."""
    assert any("Nothing has been found of it yet" in line for line in shown(pressed("enter")))


def test_no_routes_say_what_makes_one():
    """An empty screen says what happens, and where to read on."""
    assert any("docs/first-migration.md" in line for line in shown(TopState(), TopView("head", (), ())))


@pytest.mark.parametrize("height", [6, 10, 24])
def test_many_routes_fit_any_screen(height: int):
    """However many there are, the chosen one and the keys are seen, in 80 columns and in 40."""
    view = replace(VIEW, rows=tuple(row(f"a-route-with-a-very-long-name-{number:03}") for number in range(200)))
    for width in (40, 80):
        found = lines(pressed(*["down"] * 120, view=view), view, width=width, height=height)
        assert len(found) <= height
        assert next(text for text, look in found if look is LineStyle.CHOSEN).split()[0].endswith("120")
        assert found[-1][1] is LineStyle.DIM
