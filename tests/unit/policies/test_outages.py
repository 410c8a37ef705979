"""An outage is one event: its units count for the certificate, and convict nobody before the trial."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from policies.events import PairEvent
from policies.gates import evaluate
from policies.outages import silent_run
from policies.results import GateResult
from policies.rules import Errors, Gates, Quality, Rules, Units
from policies.terms import Owner, Verdict
from tests.rooms.pair_events import RULES, filled, own, pair

GATES = Gates(quality=Quality(), errors=Errors(), latency=None, cost=None)
TODAY = replace(RULES, gates=GATES, units=Units(outage_after=1))
BEFORE = replace(TODAY, units=Units())
LOST = 40
"""Units that a blip of a second takes with it, at 40 a second."""

Made = Callable[[int], PairEvent]


def lost_pair(number: int) -> PairEvent:
    return pair(f"lost{number}", 1e6 + number, q=None, error_candidate=True)


def lost_owned(number: int) -> PairEvent:
    return replace(lost_pair(number), owner=Owner.CANDIDATE)


def lost_in_a_queue(number: int) -> PairEvent:
    return replace(lost_pair(number), error_candidate=False, dropped=True)


def lost_alone(number: int) -> PairEvent:
    return own(Owner.CANDIDATE, f"lost{number}", 1e6 + number, error_candidate=True)


def verdicts(events: Sequence[PairEvent], rules: Rules, weight_ppm: int) -> dict[str, Verdict]:
    return {each.gate: each.verdict for each in results(events, rules, weight_ppm)}


def results(events: Sequence[PairEvent], rules: Rules, weight_ppm: int = 50_000) -> list[GateResult]:
    found = filled([*events], rules, weight_ppm)
    return [evaluate(gate, found) for gate in (Quality(), Errors())]


def baseline(count: int) -> list[PairEvent]:
    return [own(Owner.BASELINE, f"base{number}", float(number)) for number in range(count)]


@pytest.mark.parametrize(
    ("weight_ppm", "made"),
    [(50_000, lost_pair), (50_000, lost_in_a_queue), (250_000, lost_owned), (250_000, lost_alone)],
)
def test_a_blip_convicts_nobody(weight_ppm: int, made: Made):
    """All of a second fail, soon after a stage has begun: what each convicted of by itself is left to the trial."""
    good = [pair(f"good{number}", float(number)) for number in range(20)] + baseline(200)
    events = [*good, *map(made, range(LOST))]
    assert Verdict.FAIL in verdicts(events, BEFORE, weight_ppm).values()
    assert Verdict.FAIL not in verdicts(events, TODAY, weight_ppm).values()


def test_certificates_count_an_outage_whole():
    """What certifies is as it was before outages were told apart: bounds below and e-values are equal."""
    events = [pair(f"good{number}", float(number)) for number in range(300)] + list(map(lost_pair, range(LOST)))
    then, now = (results(events, rules) for rules in (BEFORE, TODAY))
    assert [each.log10_e for each in then] == [each.log10_e for each in now]
    assert [each.lower for each in then] == [each.lower for each in now]
    assert "39 units in outages, without any answer, count for no harm" in now[0].reason


@pytest.mark.parametrize("every", [2, 3, 5])
def test_an_ill_candidate_is_convicted_as_before(every: int):
    """It answers now and then: no run is an outage, and each failure counts."""
    events = [pair(f"u{number}", float(number), error_candidate=number % every > 0) for number in range(60)]
    assert "errors" in {name for name, verdict in verdicts(events, TODAY, 50_000).items() if verdict is Verdict.FAIL}


def test_in_the_shadow_each_counts():
    """There an alarm is tried by nobody: a candidate that answers nothing is rejected, as before."""
    assert Verdict.FAIL in verdicts(list(map(lost_pair, range(LOST))), TODAY, 0).values()


def test_outages_that_follow_each_other_are_as_many():
    """A minute of coming and going is illness: the first units of each outage count."""
    events = [
        pair(f"u{number}", float(number), q=None if number % 10 < 8 else 0.0, error_candidate=number % 10 < 8)
        for number in range(400)
    ]
    assert Verdict.FAIL in verdicts(events, TODAY, 50_000).values()


def test_a_run_ends_with_an_answer_and_hears_nothing_of_the_baseline():
    """Units of the baseline alone say nothing of it; where both fail, it is nobody's outage."""
    assert silent_run(2, [lost_alone(0)]) == 3
    assert silent_run(2, [lost_alone(0), own(Owner.CANDIDATE)]) == 0
    assert silent_run(2, [own(Owner.BASELINE)]) == 2
    assert silent_run(2, [pair(q=None, dropped=True)]) == 3
    assert silent_run(2, [pair(error_candidate=True, error_baseline=True)]) == 0


def test_what_was_counted_goes_on_where_it_was_kept():
    """A leader that takes over in the middle of an outage goes on with its run."""
    found = filled(list(map(lost_pair, range(10))), TODAY, 50_000).closed()
    for number in range(10, LOST):
        found.observe(lost_pair(number))
    found.close_all()
    assert found.count("outage_units") == LOST - 1


def test_an_outage_that_a_gate_hears_late_is_none_of_its_harm():
    """Its first units have no pairs: what the gate hears of it are further ones, and no harm at all."""
    alone = [own(Owner.CANDIDATE, f"alone{number}", float(number), error_candidate=True) for number in range(5)]
    found = filled([*alone, *map(lost_owned, range(LOST))], TODAY, 250_000).closed()
    judged = evaluate(Quality(), found)
    assert (judged.verdict, found.histogram("quality_owned_harm")) == (Verdict.INCONCLUSIVE, {})
    assert judged.upper == 1.0
    assert sum(found.histogram("quality_owned").values()) == LOST
