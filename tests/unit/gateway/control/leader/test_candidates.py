"""A leader's evaluations beside each other; what they mean to each other says `policies.picking`."""

from dataclasses import replace

from gateway.control.leader.candidates import refusal, rests, stand_beside
from gateway.control.leader.evaluation import Evaluation
from policies.picking import ALONE
from policies.review import key_of
from policies.rollout import start
from policies.rules import PPM, Errors, Gates, Guards, Ladder, Quality, Rules, Stage
from policies.terms import Move, Phase
from tests.rooms.pair_events import KEY, filled, pair

LADDER = Ladder((Stage(0, min_units=20), Stage(PPM)))
NOW = 1000.0


def evaluation(name: str, q: float, phase: Phase = Phase.SHADOW) -> Evaluation:
    rules = Rules(
        f"triage@{name}", replace(KEY, revision=name), Gates(Quality(margin=0.2), None, Errors(margin=0.2), None),
        Guards(outputs="observed"), ladder=LADDER,
    )  # fmt: skip
    rollout = replace(start(rules), phase=phase, stage=int(phase is Phase.PROMOTED))
    found = filled([pair(f"u{i}", q=q) for i in range(60)], rules)
    made = Evaluation(rules, rollout, 1, found if key_of(rollout) == found.key else found.next(key_of(rollout), rules))
    made.heard = {}
    return made


def test_a_look_is_told_of_the_others() -> None:
    """What the others' evidence says goes into the conditions, from which the decision is made again."""
    ours, other = evaluation("one", 0.1), evaluation("two", -0.1)
    stand_beside(ours, {"triage@two": other}, NOW)

    assert len(ours.conditions(NOW).rivals) == 1
    assert ours.conditions(NOW).beside == ""
    assert ours.results(NOW, bounds=False).gates[0].reason.count("by the closed test of 2 candidates") == 1


def test_who_rests_is_not_stepped() -> None:
    """The word says so, and the rollout after it is the one before; alone nobody rests, and nothing may be refused."""
    ours, serves = evaluation("one", 0.1), evaluation("two", 0.1, Phase.PROMOTED)
    found = rests(ours, {"triage@two": serves}, NOW)

    assert found is not None
    assert (found.move, found.rule, found.rollout) == (Move.HOLD, "rests", ours.rollout)
    assert found.results.fault is None
    assert "triage@two" in refusal({"triage@two": serves}, NOW)
    assert rests(ours, {"triage@three": evaluation("three", 0.1)}, NOW) is None
    assert evaluation("alone", 0.1).beside == ALONE
