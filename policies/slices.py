"""Slices of the traffic: each must hold by itself, or the whole does not rise. Pure.

Rules:
1. A slice is one value of one dimension, as `language=german`; a unit's are those of its first request.
2. Of each dimension so many values are counted apart; further ones, and those that surely have less than a twentieth
   of the traffic, are `other` together. At most ten are judged, the largest. What may have a twentieth is judged: few
   units by chance must not let a slice go by.
3. The whole is certified at its margin and each slice at three times that, all at full alpha: all must pass, so nothing
   is corrected (intersection-union test: Berger 1982; decisions-2, ruling 8 A).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from policies import histograms, stats
from policies.histograms import Histogram

MOST_APART = 32
"""Values of one dimension that are counted apart."""
MOST_JUDGED = 10
LEAST_SHARE = 0.05
"""Of the traffic, below which a slice joins the others."""
_ALPHA = 0.01
WIDER = 3.0
"""How many times the whole's margin a slice has."""
OTHER = "other"
TOLD_APART = 0.95
"""Of the units, that must be told apart before a dimension is judged: evidence of before it was asked for is not."""


@dataclass(frozen=True, slots=True)
class SliceEvidence:
    """What is known of one slice."""

    name: str
    """As `language=german`."""
    plain: Histogram
    weighted: Histogram | None
    """Each unit with what it weighs; None: each weighs 1."""
    share: float
    """Of the units."""


def dimension(name: str) -> str:
    """What a slice is a value of."""
    return name.partition("=")[0]


def other(dimension_: str) -> str:
    """The slice of what is not told apart."""
    return f"{dimension_}={OTHER}"


def own(found: Iterable[str], dimension_: str) -> str:
    """A request's slice by one dimension; what nobody told is `other`."""
    return next(iter(of_unit(found, (dimension_,))), other(dimension_))


def counted(gate: str, dimension_: str, histograms_: Mapping[str, Histogram]) -> list[str]:
    """The slices by a dimension of which there is any unit."""
    begins = f"{gate}@{dimension_}="
    return [name.removeprefix(f"{gate}@") for name in histograms_ if name.startswith(begins)]


def of_unit(found: Iterable[str], dimensions: Iterable[str]) -> list[str]:
    """The slices of a unit that are asked for: of each dimension the first that is told, as it is in no other."""
    wanted, first = set(dimensions), dict[str, str]()
    for name in found:
        if dimension(name) in wanted:
            first.setdefault(dimension(name), name)
    return list(first.values())


def key(gate: str, name: str, counted: Mapping[str, Histogram]) -> str:
    """What a unit of slice `name` is counted under: itself, or `other` where too many are counted apart already."""
    own, begins = f"{gate}@{name}", f"{gate}@{dimension(name)}="
    if own in counted or sum(each.startswith(begins) for each in counted) < MOST_APART:
        return own
    return f"{begins}{OTHER}"


def kept_of(counted: Mapping[str, Histogram]) -> dict[str, Histogram]:
    """What was counted for slices, of all that was."""
    return {name: dict(found) for name, found in counted.items() if "@" in name}


def units(counted: Histogram) -> int:
    """How many units a histogram of scores holds."""
    return sum(counted.values())


def told_apart(gate: str, dimension_: str, counted: Mapping[str, Histogram]) -> int:
    """Units of which it is known what they are by a dimension."""
    begins = f"{gate}@{dimension_}="
    return sum(units(each) for name, each in counted.items() if name.startswith(begins))


def judged(
    gate: str, dimensions: Iterable[str], counted: Mapping[str, Histogram], weighted: Mapping[str, Histogram]
) -> list[SliceEvidence]:
    """The slices that must hold by themselves, by name; an `other` that is small itself is nobody's to hold."""
    whole = max(1, units(counted.get(gate, {})))
    names = [
        name.removeprefix(f"{gate}@")
        for each in dimensions
        for name in counted
        if name.startswith(f"{gate}@{each}=") and not name.endswith(f"={OTHER}")
    ]
    large = sorted(
        (name for name in names if _may_be_large(units(counted[f"{gate}@{name}"]), whole)),
        key=lambda name: (-units(counted[f"{gate}@{name}"]), name),
    )[:MOST_JUDGED]
    found = [_slice(gate, name, [name], counted, weighted) for name in large]
    for each in dimensions:
        rest = [name for name in names if dimension(name) == each and name not in large]
        other = _slice(gate, f"{each}={OTHER}", [*rest, f"{each}={OTHER}"], counted, weighted)
        if _may_be_large(units(other.plain), whole):
            found.append(other)
    return sorted(found, key=lambda each: each.name)


def _may_be_large(n: int, whole: int) -> bool:
    """Whether so many of all the units may stand for a twentieth of the traffic; none at all is nothing to judge."""
    return n > 0 and (n >= LEAST_SHARE * whole or stats.proportion_interval(n, whole, _ALPHA)[1] >= LEAST_SHARE)


def _slice(
    gate: str, name: str, parts: list[str], counted: Mapping[str, Histogram], weighted: Mapping[str, Histogram]
) -> SliceEvidence:
    plain, heavy = Histogram(), Histogram()
    for part in parts:
        histograms.merge(plain, counted.get(f"{gate}@{part}", {}))
        histograms.merge(heavy, weighted.get(f"{gate}@{part}", {}))
    share = units(plain) / max(1, units(counted.get(gate, {})))
    return SliceEvidence(name, plain, heavy or None, share)
