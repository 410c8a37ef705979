"""Whom the shadow asks beside an exchange."""

from dataclasses import dataclass

import pytest

from policies.assignment import bucket
from records.exchange import Meta
from shadow.sampling import asked_beside, is_candidates, speaks
from tests.fakes.exchanges import exchange

PPM = 1_000_000


@dataclass(frozen=True)
class All:
    """Everything is drawn, unless said otherwise."""

    sample_ppm: int = PPM
    reverse_ppm: int = PPM
    noise_ppm: int = PPM
    salt: str = "triage"
    again_reversed: bool = False


def meta(**fields: object) -> Meta:
    return exchange(1, unit="ab" * 8, **fields).meta


@pytest.mark.parametrize(
    "fields",
    [
        {"route": ""}, {"unit": ""}, {"retry_count": 1}, {"why": "unrouted"}, {"why": "pinned"}, {"why": "ineligible"},
        {"why": "bypass"}, {"why": "refused", "outcome": "refused"}, {"outcome": "app_gone"}, {"outcome": "tunnel"},
        {"outcome": "lost_worker"}, {"status": 400}, {"status": 401}, {"status": 404}, {"status": 422},
    ],
)  # fmt: skip
def test_what_is_no_evidence(fields: dict[str, object]) -> None:
    """What nobody assigned, what was tried before, what did not end, and the app's own mistakes tell nothing."""
    told = meta(**fields) if "unit" not in fields else exchange(1, unit="").meta
    assert not speaks(told)
    assert asked_beside(told, All()) == ()


@pytest.mark.parametrize("status", [200, 204, 301, 408, 409, 425, 429, 500, 503])
def test_what_speaks(status: int) -> None:
    """Answers, and failures that are an upstream's, are evidence."""
    assert speaks(meta(status=status))


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({}, ("candidate", "baseline_again")),
        ({"status": 500}, ("candidate",)),
        ({"outcome": "upstream_broken"}, ("candidate",)),
        ({"outcome": "upstream_error", "variant": "gateway", "status": 502}, ("candidate",)),
        ({"why": "tool_loop"}, ("candidate", "baseline_again")),
        ({"variant": "candidate"}, ("baseline",)),
        ({"variant": "candidate", "outcome": "upstream_broken"}, ("baseline",)),
        ({"why": "fallback", "reason": "timeout"}, ()),
        ({"why": "unverified"}, ()), ({"why": "reverify"}, ()), ({"why": "breaker"}, ()), ({"why": "killed"}, ()),
        ({"why": "lease"}, ()), ({"why": "observe"}, ()), ({"why": "busy"}, ()),
    ],
)  # fmt: skip
def test_who_is_asked(fields: dict[str, object], asked: tuple[str, ...]) -> None:
    """The candidate beside a baseline's answer, the baseline beside a candidate's, nobody where one was to be asked."""
    assert asked_beside(meta(**fields), All()) == asked


def test_whose_it_was() -> None:
    """An exchange is the variant's it was assigned to, whoever answered."""
    assert is_candidates(meta(variant="candidate"))
    assert is_candidates(meta(why="fallback"))
    assert not is_candidates(meta())


@pytest.mark.parametrize("name", ["sample_ppm", "reverse_ppm", "noise_ppm"])
def test_nothing_is_drawn_of_nothing(name: str) -> None:
    """A share of zero draws nobody, and leaves the other lots as they are."""
    lots = All(**{name: 0})
    mirrored, reverse = asked_beside(meta(), lots), asked_beside(meta(variant="candidate"), lots)
    expected = {
        "sample_ppm": ((), ("baseline",)),
        "reverse_ppm": (("candidate", "baseline_again"), ()),
        "noise_ppm": (("candidate",), ("baseline",)),
    }
    assert (mirrored, reverse) == expected[name]


def test_a_share_is_a_share_and_each_lot_falls_by_itself() -> None:
    """About the share of conversations is drawn, and being drawn says nothing of the assignment or of another lot."""
    lots = All(sample_ppm=PPM // 2, noise_ppm=PPM // 2)
    units = [f"{number:016x}" for number in range(4000)]
    drawn = [asked_beside(exchange(1, unit=unit).meta, lots) for unit in units]
    assert 0.46 < sum(bool(each) for each in drawn) / 4000 < 0.54
    assert 0.22 < sum(len(each) == 2 for each in drawn) / 4000 < 0.28
    assigned = [bucket(unit, "triage") < PPM // 2 for unit in units]
    both = sum(bool(each) and mine for each, mine in zip(drawn, assigned, strict=True))
    assert 0.22 < both / 4000 < 0.28


def test_where_likeness_is_certified_the_baseline_is_asked_twice_beside_the_candidate_too() -> None:
    """Beside its own conversations the floor is measured as beside the baseline's."""
    assert asked_beside(meta(variant="candidate"), All(again_reversed=True)) == ("baseline", "baseline_again")
    assert asked_beside(meta(variant="candidate"), All(again_reversed=True, noise_ppm=0)) == ("baseline",)
