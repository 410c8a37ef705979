"""Pictures as SVG, made here: marks carry classes, never colours, so that one stylesheet serves both themes and a CSP.

Every number is clamped into its picture, so nothing that is recorded can draw outside of it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from policies.results import GateResult
from policies.terms import Better, Verdict

WIDE, LOW, HIGH = 420, -0.5, 2.0
"""Of the axis that all gates share: 0 is no harm (for most gates: like the baseline), 1 the limit."""
WORDS = {Verdict.PASS: "pass", Verdict.INCONCLUSIVE: "wait", Verdict.ERROR: "wait", Verdict.FAIL: "fail"}


@dataclass(frozen=True, slots=True)
class Harm:
    """A gate as a share of what it allows: at most 1 is allowed. None: not known."""

    estimate: float | None
    lower: float | None
    upper: float | None
    zero: float | None
    """Where the baseline is; None: nowhere on this axis."""


def harm(gate: GateResult) -> Harm:
    """How much of what the gate allows is used up, whichever way its metric improves."""
    limit = gate.limit
    if limit is None or gate.estimate is None:
        return Harm(None, None, None, None)
    if gate.better is Better.LOWER:  # a ratio to the baseline
        return Harm(*(_over(each, limit) for each in (gate.estimate, gate.lower, gate.upper)), zero=_over(1.0, limit))
    if limit > 0:  # the share of requests within a limit of time: what is beyond it, of what may be
        left = 1 - limit
        return Harm(*(_over(_less(1.0, each), left) for each in (gate.estimate, gate.upper, gate.lower)), zero=0.0)
    return Harm(*(_over(each, limit) for each in (gate.estimate, gate.upper, gate.lower)), zero=0.0)


def svg(width: float, height: float, label: str, body: Markup, *, fixed: bool = False) -> Markup:
    """One picture, with what it says in words."""
    size = Markup(' width="{}" height="{}"').format(f"{width:g}", f"{height:g}") if fixed else Markup("")
    return Markup('<svg class="ch" viewBox="0 0 {} {}"{} role="img" aria-label="{}">{}</svg>').format(
        f"{width:g}", f"{height:g}", size, label, body
    )


def axis() -> Markup:
    """The head of the column of intervals."""
    body = _text(_at(0), 11, "no harm", anchor="middle") + _text(_at(1), 11, "limit", anchor="middle")
    return svg(WIDE, 16, "Axis: harm as a share of the margin; 0 is none, 1 the limit", body, fixed=True)


def interval(gate: GateResult) -> Markup:
    """A gate's interval on the axis that all gates share, its limit dotted."""
    found, y, word = harm(gate), 16.0, WORDS[gate.verdict]
    if found.estimate is None:
        return svg(WIDE, 32, f"{gate.gate}: nothing to draw yet", _text(_at(0), 20, "no evidence yet"), fixed=True)
    body = _line(0, y, WIDE, y, "axis") + _line(_at(1), 0, _at(1), 32, "limit")
    if found.zero is not None and abs(found.zero - 1) > 0.01:
        body += _line(_at(found.zero), 4, _at(found.zero), 28, "zero")
    if found.lower is not None and found.upper is not None:
        body += _span(found.lower, found.upper, y, word)
    if LOW <= found.estimate <= HIGH:
        body += Markup('<circle class="f-{}" cx="{}" cy="16" r="4.5"/>').format(word, _n(_at(found.estimate)))
        body += Markup('<circle class="f-paper" cx="{}" cy="16" r="1.75"/>').format(_n(_at(found.estimate)))
    between = "" if found.lower is None or found.upper is None else f", interval {found.lower:.2f} to {found.upper:.2f}"
    return svg(WIDE, 32, f"{gate.gate}: {found.estimate:.2f} of the margin{between}; the limit is 1", body, fixed=True)


@dataclass(frozen=True, slots=True)
class BandPoint:
    """An interval at a moment; None: not known then."""

    at: float
    estimate: float
    lower: float
    upper: float


_LETTER = 7.0
"""How wide a letter of a stage's name is, about."""


def band(label: str, points: Sequence[BandPoint], marks: Sequence[tuple[float, str]], verdict: Verdict) -> Markup:
    """An interval over time, its limit (1) dotted, stages as vertical lines."""
    width, height, left, right, top, bottom = 280.0, 132.0, 34.0, 8.0, 8.0, 20.0
    word = WORDS[verdict]
    first, last = points[0].at, max(points[-1].at, points[0].at + 1.0)
    most = min(max(1.25, *(point.estimate for point in points)) * 1.15, 4.0)
    least = max(min(-0.25, *(point.estimate for point in points)) * 1.15, -2.0)

    def x(at: float) -> float:
        return left + _clamp((at - first) / (last - first), 0, 1) * (width - left - right)

    def y(value: float) -> float:
        return top + (most - _clamp(value, least, most)) / (most - least) * (height - top - bottom)

    body = _line(left, y(0), width - right, y(0), "zero")
    spoken = -math.inf
    for at, name in marks:
        body += _line(x(at), top, x(at), height - bottom, "mark")
        anchor = "start" if x(at) < left + 12 else "end" if x(at) > width - 24 else "middle"
        begins = x(at) - len(name) * _LETTER * {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
        if begins - spoken >= _LETTER:  # names that would touch leave out the later one
            body += _text(x(at), height - 6, name, anchor=anchor)
            spoken = begins + len(name) * _LETTER
    up = " ".join(f"{_n(x(point.at))},{_n(y(point.upper))}" for point in points)
    down = " ".join(f"{_n(x(point.at))},{_n(y(point.lower))}" for point in reversed(points))
    middle = " ".join(f"{_n(x(point.at))},{_n(y(point.estimate))}" for point in points)
    body += Markup('<polygon class="f-{} band" points="{} {}"/>').format(word, up, down)
    body += Markup('<polyline class="l-{}" points="{}"/>').format(word, middle)
    body += _line(left, y(1), width - right, y(1), "limit")
    body += _text(left - 5, y(1) + 4, "limit", css="t-ink", anchor="end") + _text(left - 5, y(0) + 4, "0", anchor="end")
    end = points[-1]
    body += Markup('<circle class="f-{}" cx="{}" cy="{}" r="3"/>').format(word, _n(x(end.at)), _n(y(end.estimate)))
    said = f"{label} over time: now {end.estimate:.2f} of its margin, interval {end.lower:.2f} to {end.upper:.2f}"
    return svg(width, height, said, body)


def part(share: float, css: str = "f-ink", width: float = 160) -> Markup:
    """A share of a whole."""
    body = _rect(0, 2, width, 8, "f-line")
    if share > 0:
        body += _rect(0, 2, max(1.5, width * _clamp(share, 0, 1)), 8, css)
    return svg(width, 12, f"{share:.1%}", body, fixed=True)


def height(name: str, value: float, full: float, word: str) -> Markup:
    """How high a detector stands, beside the mark at which it alarms."""
    width = 120.0
    body = _rect(0, 5, width, 6, "f-line")
    body += _rect(0, 5, max(2.0, width * _clamp(value / full if full else 0, 0, 1)), 6, f"f-{word}")
    body += _line(width - 0.75, 1, width - 0.75, 15, "limit")
    return svg(width, 16, f"{name}: {value:.1f} of {full:g}", body, fixed=True)


def spark(name: str, points: Sequence[tuple[float, float]], since: float, until: float) -> Markup:
    """A weight over time as steps."""
    width, tall = 88.0, 24.0

    def place(at: float, value: float) -> tuple[float, float]:
        x = _clamp((at - since) / max(until - since, 1.0), 0, 1) * (width - 3)
        return x, tall - 2 - _clamp(value, 0, 1) * (tall - 4)

    before = [value for at, value in points if at <= since]
    x, y = place(since, before[-1] if before else 0.0)
    path = f"M{_n(x)} {_n(y)}"
    for at, value in points:
        if at > since:
            x, y = place(at, value)
            path += f"H{_n(x)}V{_n(y)}"
    path += f"H{_n(width - 1)}"
    body = _line(0, tall - 2, width, tall - 2, "axis") + Markup('<path class="l-cand" d="{}"/>').format(path)
    now = points[-1][1] if points else 0.0
    return svg(width, tall, f"Weight of {name}, now {now:.0%}", body, fixed=True)


def times(baseline: tuple[float | None, float | None], candidate: tuple[float | None, float | None]) -> Markup:
    """Two answers' times, each with its wait for the first byte, on one axis."""
    width = 240.0
    most = max((each[1] or 0.0) for each in (baseline, candidate)) or 1.0
    body = Markup("")
    for row, (css, (first, total)) in enumerate((("f-base", baseline), ("f-cand", candidate))):
        if total is None:
            continue
        wait, end = width * (first or 0.0) / most, width * total / most
        body += _rect(0, 2 + 16 * row, wait, 8, f"{css} band")
        body += _rect(wait, 2 + 16 * row, max(1.0, end - wait), 8, css)
    return svg(width, 30, "Times of both answers", body, fixed=True)


def bars(values: Sequence[tuple[str, float, str]], label: str, width: float = 640) -> Markup:
    """Columns side by side, in order: (label, value, class)."""
    tall, foot = 72.0, 18.0
    most = max((value for _, value, _ in values), default=0.0) or 1.0
    step = width / max(len(values), 1)
    body = _line(0, tall - foot, width, tall - foot, "zero")
    every = max(1, math.ceil(len(values) * 44 / width))
    for place, (name, value, css) in enumerate(values):
        size = _clamp(value / most, 0, 1) * (tall - foot - 4)
        body += _rect(place * step + 1, tall - foot - size, max(step - 2, 1), size, css)
        if place % every == 0:
            body += _text(place * step + 1, tall - 4, name)
    return svg(width, tall, label, body)


_BEYOND = 28.0
"""How long the arrow is of an interval that lies beyond the picture."""


def _span(lower: float, upper: float, y: float, word: str) -> Markup:
    """An interval with its two ends; one that lies outside of the picture as an arrow to where it is."""
    if lower > HIGH:
        return _line(WIDE - _BEYOND, y, WIDE, y, f"l-{word} thick") + _end(lower, y, word)
    if upper < LOW:
        return _line(0, y, _BEYOND, y, f"l-{word} thick") + _end(upper, y, word)
    return _line(_at(lower), y, _at(upper), y, f"l-{word} thick") + _end(lower, y, word) + _end(upper, y, word)


def _end(value: float, y: float, word: str) -> Markup:
    """The end of an interval: a bar where it ends in the picture, an arrow where it goes on outside."""
    x = _at(value)
    if LOW <= value <= HIGH:
        return _line(x, y - 5, x, y + 5, f"l-{word}")
    back = 6 if value > HIGH else -6
    return Markup('<path class="l-{}" d="M{} {}L{} {}L{} {}"/>').format(
        word, _n(x - back), _n(y - 5), _n(x), _n(y), _n(x - back), _n(y + 5)
    )


def _at(share: float) -> float:
    return (_clamp(share, LOW, HIGH) - LOW) / (HIGH - LOW) * WIDE


def _over(value: float | None, whole: float) -> float | None:
    if value is None or not whole or not math.isfinite(value / whole):
        return None
    return value / whole


def _less(whole: float, value: float | None) -> float | None:
    return None if value is None else whole - value


def _clamp(value: float, low: float, high: float) -> float:
    return low if math.isnan(value) else min(max(value, low), high)


def _n(value: float) -> str:
    return f"{value:.1f}"


def _line(x1: float, y1: float, x2: float, y2: float, css: str) -> Markup:
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(css, _n(x1), _n(y1), _n(x2), _n(y2))


def _rect(x: float, y: float, width: float, height: float, css: str) -> Markup:
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
        css, _n(x), _n(y), _n(width), _n(height)
    )


def _text(x: float, y: float, words: str, *, css: str = "", anchor: str = "start") -> Markup:
    return Markup('<text x="{}" y="{}" class="{}" text-anchor="{}">{}</text>').format(
        _n(x), _n(y), css, anchor, escape(words)
    )
