"""Who of several candidates goes on, who rests, and what keeps one back."""

import math
from dataclasses import replace

import pytest

from policies.picking import ALONE, Beside, Contender, beside, refusal, rests
from policies.readings import LOG10
from policies.review import Conditions, key_of, review
from policies.rollout import Decision, Rollout, start, step
from policies.rules import PPM, Errors, Gates, Guards, Ladder, Quality, RollbackSettings, Rules, Stage
from policies.terms import Move, Phase, Verdict
from tests.rooms.pair_events import KEY, filled, pair

LADDER = Ladder((Stage(0, min_units=20), Stage(100_000, min_units=20), Stage(PPM)))
GATES = Gates(Quality(margin=0.2), None, Errors(margin=0.2), None)


def contender(name: str, q: float, *, n: int = 60, phase: Phase = Phase.SHADOW, lived_s: float = 0.0) -> Contender:
    rules = Rules(
        f"triage@{name}", replace(KEY, revision=name), GATES, Guards(outputs="observed"), ladder=LADDER,
        rollback=RollbackSettings(cooldown_s=100.0),
    )  # fmt: skip
    rollout = replace(start(rules), phase=phase, lived_s=lived_s, stage=1 if phase is Phase.CANARY else 0)
    return of(rollout, filled([pair(f"u{i}", q=q) for i in range(n)], rules))


def of(rollout: Rollout, evidence, cold: str = "") -> Contender:  # type: ignore[no-untyped-def]
    def look(told: Beside) -> Decision:
        seen = Conditions(rivals=told.rivals, beside=told.why, cold=cold)
        return step(rollout, review(evidence, rollout, now=0.0, seen=seen, bounds=False), now=0.0)

    assert evidence.key == key_of(rollout) or rollout.stage
    return Contender(rollout, evidence, look)


def test_the_best_of_those_that_are_certified_goes_on():
    """The other would go on as well, and waits; who is not certified keeps nobody back, however good it looks."""
    good, better, few = contender("good", 0.1), contender("better", 0.2), contender("few", 0.9, n=10)
    told = beside(good, {"triage@better": better, "triage@few": few})
    best = beside(better, {"triage@good": good, "triage@few": few})

    assert "triage@better is certified, too, and its mean is better: +0.2000 against +0.1000" in told.why
    assert good.look(told).move is Move.HOLD
    assert good.look(told).rule == "candidates"
    assert best.why == ""
    assert better.look(best).move is Move.ADVANCE


def test_the_best_goes_on_although_its_servers_are_cold():
    """Who is ready first is not picked for that: the other waits for the better one's servers to be warm."""
    good, best = contender("good", 0.1), contender("better", 0.2)
    better = of(best.rollout, best.evidence, "1 replica to be asked for")

    assert "triage@better is certified, too" in beside(good, {"triage@better": better}).why
    told = beside(better, {"triage@good": good})
    assert (told.why, better.look(told).rule) == ("", "warm")


def test_of_two_that_are_equal_the_first_by_name_goes_on():
    """One of them does, and not neither."""
    one, two = contender("one", 0.1), contender("two", 0.1)

    assert beside(one, {"triage@two": two}).why == ""
    assert beside(two, {"triage@one": one}).why != ""


def test_beside_others_a_certificate_takes_more():
    """What is enough for one alone is not for one of three; what each of the others has stands in its conditions."""
    lone, bad = contender("lone", 0.0, n=29), contender("bad", -0.4, n=29)
    told = beside(lone, {"triage@a": bad, "triage@b": bad})

    assert lone.look(ALONE).move is Move.ADVANCE
    assert told.why == ""
    assert len(told.rivals) == 2
    assert max(told.rivals) < 0
    assert lone.look(told).move is Move.HOLD
    assert lone.look(Beside((math.log(1e6),) * 2)).move is Move.ADVANCE


def sliced(name: str, *, french: float, n: int = 120) -> Contender:
    """A candidate that is 0.1 better in four of five conversations, and so much in those in French."""
    whole = contender(name, 0.0, n=0)
    rules = replace(whole.evidence.rules, gates=replace(GATES, slices=("language",)))
    told = [(0.1, "english") if i % 5 else (french, "french") for i in range(n)]
    events = [pair(f"u{i}", q=q, slices=(f"language={name}",)) for i, (q, name) in enumerate(told)]
    return of(replace(start(rules)), filled(events, rules))


def test_of_several_only_one_whose_slices_all_hold_goes_on():
    """The better one on average is worse in one slice: it neither goes on nor outranks; its weakest slice speaks."""
    even, uneven = sliced("even", french=0.1), sliced("uneven", french=-0.65, n=400)
    told = beside(even, {"triage@uneven": uneven})

    assert uneven.look(beside(uneven, {"triage@even": even})).rule == "gate quality@language=french"
    assert even.look(told).move is Move.ADVANCE
    assert told.rivals[0] < 0 < beside(uneven, {"triage@even": even}).rivals[0]
    weakest = {gate.gate: gate.log10_e for gate in uneven.look(ALONE).results.gates}["quality@language=french"]
    assert told.rivals == (pytest.approx(LOG10 * (weakest or 0.0)),)


def test_a_slice_is_certified_by_the_closed_test_too():
    """What is enough for a slice of one alone is not beside others: one could pass by luck in one of them."""
    own = sliced("own", french=0.1, n=30)
    bad = (-1.0,) * 7

    slices = [gate for gate in own.look(Beside(bad)).results.gates if "@" in gate.gate]
    assert all("by the closed test of 8 candidates" in gate.reason for gate in slices)
    alone = {gate.gate: gate.verdict for gate in own.look(ALONE).results.gates}
    beside_others = {gate.gate: gate.verdict for gate in own.look(Beside(bad)).results.gates}
    french = "quality@language=french"
    assert (alone[french], beside_others[french]) == (Verdict.PASS, Verdict.INCONCLUSIVE)


def test_while_one_serves_the_others_rest():
    """They are told why, and not even a word raises them; the one that serves is held back by nobody."""
    serves, waits = contender("serves", 0.1, phase=Phase.CANARY), contender("waits", 0.5)

    assert rests(waits, {"triage@serves": serves}) == "it rests while triage@serves serves, and its evidence is kept"
    assert refusal({"triage@serves": serves}).startswith(
        "only one candidate may have traffic, and triage@serves serves"
    )
    assert rests(serves, {"triage@waits": waits}) == ""
    assert beside(serves, {"triage@waits": waits}) == ALONE
    stopped = contender("out", 0.1, phase=Phase.REJECTED)
    assert rests(stopped, {"triage@serves": serves}) == ""


def test_while_one_is_suspended_its_place_stays_its_own():
    """An alarm took its traffic, and a trial may bring it back: until then the others rest, and no word raises them."""
    hurt, waits = contender("hurt", 0.1, phase=Phase.CANARY), contender("waits", 0.5)
    hurt = replace(hurt, rollout=replace(hurt.rollout, phase=Phase.SUSPENDED, stage=1, suspended_ago_s=(5.0,)))

    assert "it rests while triage@hurt is suspended" in rests(waits, {"triage@hurt": hurt})
    assert "triage@hurt is suspended and may come back" in refusal({"triage@hurt": hurt})
    assert beside(hurt, {"triage@waits": waits}) == ALONE


def test_beside_one_that_is_not_known_nobody_rises():
    """It may have traffic, for all we know: no certificate and no word raises another."""
    own = contender("own", 0.1)

    assert "triage@lost is not read yet" in beside(own, {"triage@lost": None}).why
    assert "triage@lost is not read yet" in refusal({"triage@lost": None})
    assert refusal({"triage@other": own}) == ""


def test_a_rollback_brings_the_baseline_back_and_not_the_next_candidate():
    """For its cooldown nobody goes up in its place by evidence; after it, and by a word, somebody does."""
    own = contender("own", 0.1)
    back = contender("back", 0.3, phase=Phase.ROLLED_BACK, lived_s=40.0)
    long_ago = contender("back", 0.3, phase=Phase.QUARANTINED, lived_s=100.0)

    assert "triage@back was rolled back, and for 1m no other" in beside(own, {"triage@back": back}).why
    assert own.look(beside(own, {"triage@back": back})).move is Move.HOLD
    assert refusal({"triage@back": back}) == ""
    assert own.look(beside(own, {"triage@back": long_ago})).move is Move.ADVANCE


def test_two_that_serve_keep_each_other_from_rising():
    """Edits may leave two with traffic: none of them rises, and each still falls."""
    one, two = contender("one", 0.1, phase=Phase.CANARY), contender("two", 0.1, phase=Phase.CANARY)
    told = beside(one, {"triage@two": two})

    assert told == Beside((), "triage@two serves, too, and only one candidate may serve")
    assert one.look(told).move is Move.HOLD
