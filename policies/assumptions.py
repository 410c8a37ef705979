"""What a plan takes for granted, where that is not simply that both variants are equal: said beside it. Pure."""

from collections.abc import Iterator

from policies import slices, stats
from policies.candidates import longer
from policies.moving_slices import first_slice_units
from policies.rules import Rules

TWICE = 2.0
"""A candidate that has to be better is planned for as one that is so by this many times what is demanded."""

EXCEEDED = 0.4
"""Share of the requests that a latency limit allows to exceed it, which a good candidate makes use of."""


def assumed(rules: Rules, spread: float, among: int = 1) -> Iterator[str]:
    """The assumptions of a plan, each as the end of a sentence that begins with "assumes".

    `spread`: standard deviation of a unit's score; `among`: so many candidates are tried.
    """
    if among > 1:
        yield (
            f"one good candidate among {among}: quality takes {longer(among):.3g} times what it takes of one alone; "
            "each is asked for itself, and the baseline's second answer is asked for once, for all"
        )
    for gate in rules.gates.qualities:
        if gate.margin < 0:
            yield f"{gate.metric} scores it {-TWICE * gate.margin:g} better; one that is only as good never passes"
    if rules.ladder.split:
        yield "nothing: a fixed split, uncertified"
    elif rules.gates.quality is None:
        yield "nothing about its quality, which is not measured"
    if by := rules.ladder.moves_by:
        yield (
            f"that slices by {by} are alike; the first of 5 moves after {_first(rules, spread, 5)}, of 20 after "
            f"{_first(rules, spread, 20)}"
        )
    elif by := rules.gates.slices:
        yield f"that slices by {', '.join(by)} are alike; one of 5% of the traffic needs {_least(rules, spread, among)}"
    yield from _faster(rules)
    yield from _unfailing(rules)
    if rules.ladder.rises is not None:
        yield f"that it may rise at any time, which it may only within {rules.ladder.rises}"


def _faster(rules: Rules) -> Iterator[str]:
    """Of limits that demand to be faster than the baseline: how fast the candidate is taken to be."""
    for gate in rules.gates.latencies:
        if gate.counted_by and gate.ratio <= 1:
            told = f"takes at most {gate.ratio**TWICE:.2g} times as long as the baseline"
            told = told if gate.ratio < 1 else "is faster"
            yield f"for {gate.name} ({gate.what}) that it {told}; one that is only as fast never passes"


def _unfailing(rules: Rules) -> Iterator[str]:
    """Of latency gates that allow no more requests beyond their limit than may fail: what failures do to them."""
    failing = 0.0 if rules.gates.errors is None else rules.gates.errors.margin
    for gate in rules.gates.latencies:
        allowed = 1 - gate.quantile
        if not gate.counts_failures or allowed > failing + 1e-9:
            continue
        room = allowed * (1 - EXCEEDED)
        beyond = allowed * EXCEEDED + room / 2
        units = stats.units_needed((beyond * (1 - beyond)) ** 0.5, room / 2, alpha=gate.alpha)
        yield (
            f"for {gate.name} ({gate.what}) that next to nothing fails, since what fails is beyond every limit: with "
            f"{room / 2:.2%} of failures it takes about {units:,} units, with {room:.2%} it never passes, and ends "
            "inconclusive by its budget. hint: a p95 leaves room for them"
        )


def _first(rules: Rules, spread: float, slices_: int) -> str:
    """What the first of so many equal slices needs until it is certified, in units of all the traffic."""
    units = first_slice_units(rules, spread, slices_)
    return "no number of units" if units is None else f"about {units:,} units of all"


def _least(rules: Rules, spread: float, among: int) -> str:
    """What the least slice needs, in units of all the traffic, of one among so many candidates."""
    margin, scale, alpha = min(
        (slices.WIDER * abs(each.margin), each.scale, each.alpha) for each in rules.gates.qualities
    )
    units = stats.units_needed(spread * scale**0.5, margin, alpha=alpha)
    return (
        "no number of units"
        if units is None
        else f"about {round(units * longer(among) / slices.LEAST_SHARE)} units of all"
    )
