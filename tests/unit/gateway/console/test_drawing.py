"""Pictures: what they say in words, and that nothing that is recorded can draw outside of them or write HTML."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.console import drawing
from gateway.console.drawing import BandPoint
from policies.results import GateResult
from policies.terms import Better, Verdict

ANY = st.floats(allow_nan=True, allow_infinity=True) | st.none()


@pytest.mark.parametrize(
    ("gate", "estimate", "lower", "upper"),
    [
        (GateResult("quality", Verdict.PASS, "", estimate=-0.01, lower=-0.02, upper=0.01, limit=-0.05), 0.2, -0.2, 0.4),
        (GateResult("latency", Verdict.FAIL, "", estimate=0.9, lower=0.8, upper=0.96, limit=0.95), 2.0, 0.8, 4.0),
        (GateResult("cost", Verdict.PASS, "", 9, 0.5, 0.4, 0.6, 1.0, better=Better.LOWER), 0.5, 0.4, 0.6),
    ],
)  # fmt: skip
def test_harm_is_a_share_of_what_is_allowed(gate: GateResult, estimate: float, lower: float, upper: float) -> None:
    """Whichever way a metric improves: 0 is like the baseline or perfect, 1 is the limit, more is too much."""
    found = drawing.harm(gate)
    assert (found.estimate, found.lower, found.upper) == pytest.approx((estimate, lower, upper))
    assert f"{estimate:.2f} of the margin" in drawing.interval(gate)


@given(ANY, ANY, ANY, ANY, st.sampled_from(Better))
def test_no_number_draws_outside(estimate, lower, upper, limit, better) -> None:
    """Whatever stands in a gate, every coordinate is a number in the picture."""
    gate = GateResult("g", Verdict.INCONCLUSIVE, "", 1, estimate, lower, upper, limit, better=better)
    picture = str(drawing.interval(gate))
    for name, value in re.findall(r' (x1|x2|cx|y1|y2)="([^"]*)"', picture):
        assert math.isfinite(float(value)), name
        assert -1 <= float(value) <= drawing.WIDE + 1
    assert "nan" not in re.sub(r'aria-label="[^"]*"', "", picture)


def test_words_of_others_are_text() -> None:
    """A name in a picture's label cannot end its attribute, nor begin an element."""
    evil = '"><script>alert(1)</script>'
    for picture in (
        drawing.spark(evil, [(1.0, 0.5)], 0.0, 2.0),
        drawing.height(evil, 1.0, 2.0, "pass"),
        drawing.bars([(evil, 1.0, "f-ink"), ("b", 2.0, "f-ink")], evil),
        drawing.interval(GateResult(evil, Verdict.PASS, "", estimate=0.1, limit=-0.5)),
        drawing.band(evil, [BandPoint(0.0, 0.1, 0.0, 0.2), BandPoint(1.0, 0.2, 0.1, 0.3)], [(0.0, evil)], Verdict.PASS),
    ):
        assert "<script" not in picture
        assert picture.count('aria-label="') == 1


def test_an_empty_past_draws() -> None:
    """Without a point, a weight is a line at nothing; shares beyond one end at the edge."""
    assert "now 0%" in drawing.spark("r", [], 0.0, 1.0)
    assert 'width="160.0"' in drawing.part(7.0)
    assert drawing.times((None, None), (1.0, 2.0)).count("<rect") == 2


def test_names_of_stages_do_not_touch() -> None:
    """Of two that would stand in each other's place the earlier is written; a line marks both."""
    points = [BandPoint(float(at), 0.0, -0.1, 0.1) for at in range(101)]

    def written(marks: list[tuple[float, str]]) -> list[str]:
        return re.findall(r">(shadow|[0-9]+%)<", drawing.band("quality", points, marks, Verdict.PASS))

    assert written([(0.0, "shadow"), (7.0, "10%"), (18.0, "25%"), (90.0, "50%")]) == ["shadow", "50%"]
    assert written([(0.0, "shadow"), (35.0, "10%"), (60.0, "25%"), (100.0, "100%")]) == ["shadow", "10%", "25%", "100%"]


@pytest.mark.parametrize(("estimate", "lower", "upper"), [(-0.2264, -0.3197, -0.1121), (0.3, 0.2, 0.4)])
def test_an_interval_beyond_the_picture_is_an_arrow(estimate: float, lower: float, upper: float) -> None:
    """It has a length, so that it is seen, and one head; the estimate is not drawn where it is not."""
    picture = str(drawing.interval(GateResult("quality", Verdict.FAIL, "", 62, estimate, lower, upper, -0.05)))
    spans = re.findall(r'<line class="l-fail thick" x1="([^"]*)" y1="16.0" x2="([^"]*)"', picture)
    assert [abs(float(end) - float(begin)) > 20 for begin, end in spans] == [True]
    assert (picture.count("<path"), picture.count("<circle")) == (1, 0)
