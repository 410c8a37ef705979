"""Slices: what is counted apart, which of them must hold, and that no order or split changes it."""

from hypothesis import given
from hypothesis import strategies as st

from policies import histograms, slices
from policies.histograms import Histogram


def counted(**units: int) -> dict[str, Histogram]:
    """A whole, and languages with so many units of each."""
    apart = {f"quality@language={name}": {0: n} for name, n in units.items()}
    return {"quality": {0: sum(units.values())}, **apart}


def names(found: dict[str, Histogram]) -> dict[str, int]:
    judged = slices.judged("quality", ["language"], found, {})
    return {each.name.partition("=")[2]: slices.units(each.plain) for each in judged}


def test_a_slice_under_a_twentieth_joins_the_others():
    """Together they are judged where they have a twentieth; a rest that is smaller is nobody's to hold."""
    assert names(counted(german=5000, french=4400, dutch=300, polish=300)) == {
        "french": 4400, "german": 5000, "other": 600,
    }  # fmt: skip
    assert names(counted(german=5000, french=4700, dutch=300)) == {"french": 4700, "german": 5000}
    assert names(counted(german=50, french=47, dutch=3)) == {"dutch": 3, "french": 47, "german": 50}


def test_at_most_ten_are_judged_the_largest():
    """The eleventh is with the others, however large."""
    found = names(counted(**{f"l{n:02}": 100 + n for n in range(12)}))

    assert len(found) == 11
    assert found["other"] == 100 + 101
    assert "l00" not in found


def test_too_many_values_are_counted_together():
    """What is counted apart goes on to be; the rest is one of its dimension."""
    found = {f"quality@metadata:x=v{n}": {0: 1} for n in range(slices.MOST_APART)}

    assert slices.key("quality", "metadata:x=v3", found) == "quality@metadata:x=v3"
    assert slices.key("quality", "metadata:x=new", found) == "quality@metadata:x=other"
    assert slices.key("quality", "language=new", found) == "quality@language=new"
    assert slices.told_apart("quality", "metadata:x", found) == slices.MOST_APART
    assert slices.of_unit(["language=german", "length=short"], ("length",)) == ["length=short"]


def test_a_unit_is_in_one_slice_of_a_dimension():
    """Counted in several, a few units would make up for those of which nobody tells a slice (`told_apart`)."""
    told = ["language=german", "length=short", "language=english"]

    assert slices.of_unit(told, ("language", "length")) == ["language=german", "length=short"]


@given(st.lists(st.tuples(st.sampled_from("abcdefg"), st.booleans()), max_size=80))
def test_merging_two_replicas_is_counting_once(units: list[tuple[str, bool]]):
    """Whatever the order and the split."""
    both: list[dict[str, Histogram]] = [{"quality": {}}, {"quality": {}}]
    whole: dict[str, Histogram] = {"quality": {}}
    for name, right in units:
        for each in (both[right], whole):
            histograms.add(each["quality"], 0)
            histograms.add(each.setdefault(f"quality@language={name}", {}), 0)
    for name, histogram in both[1].items():
        histograms.merge(both[0].setdefault(name, {}), histogram)

    assert names(both[0]) == names(whole)
