"""What a leader wishes to know of servers, and what it hears of them."""

from dataclasses import replace
from pathlib import Path

from gateway.control.leader.evaluation import Evaluation
from gateway.control.leader.warming import WarmWait
from gateway.control.leader.wishes import hear, wishes
from policies.evidence import Evidence
from policies.review import key_of
from policies.rollout import start
from policies.warm_rule import WarmRule
from policies.warmth import Warmth
from shadow.warming import WarmReport, WarmWish, encode
from tests.rooms.rollouts import RULES

NOW = 1000.0


def evaluation(warmth: Warmth) -> Evaluation:
    rollout = start(RULES)
    return Evaluation(
        RULES, rollout, 1, Evidence(key_of(rollout), RULES), warm=WarmWait(WarmRule(2, 600.0, 5.0), warmth)
    )


def test_only_what_is_waited_for_is_wished_and_heard(tmp_path: Path) -> None:
    """What the shadow says of others changes nothing; what it says of this one is looked at at once."""
    path = tmp_path / "warm.json"
    waits, rests = evaluation(Warmth(1, asked_at=NOW)), evaluation(Warmth(1))
    found = {"triage": waits, "other": rests}
    assert wishes(found, NOW) == {"triage": WarmWish(1, 5.0)}
    hear(found, path, NOW)
    assert not waits.moved
    report = WarmReport(1, 1, NOW + 1.0)
    path.write_bytes(encode({"triage": report, "other": report, "gone": report}))
    hear(found, path, NOW + 2.0)
    assert (waits.moved, waits.conditions(NOW + 2.0).cold) == (True, "")
    assert (rests.moved, rests.warm.warmth) == (False, Warmth(1))


def test_a_move_leaves_the_wait_behind() -> None:
    """The next weight wants replicas of its own."""
    waits = evaluation(Warmth(1, asked_at=NOW))
    waits.stand(replace(waits.rollout, stage=1))
    assert waits.warm == WarmWait(WarmRule(2, 600.0, 5.0))
