"""Replicas that have to answer before a weight rises: how many, how long, and what is said meanwhile."""

from dataclasses import replace

from policies.terms import Phase
from policies.warm_rule import WarmRule
from policies.warmth import Warmth, wanted
from tests.rooms.compiled_policies import rollout

RULE = WarmRule(replicas=4, within_s=600.0, answer_s=10.0)
ASKED = Warmth(2, asked_at=1000.0)


def test_what_is_said_while_it_waits():
    """How many answer, why the others do not, and when it gives up; nothing once as many as are wanted answered."""
    assert Warmth(2).cold(RULE, 1000.0) == "2 replicas to be asked for"
    assert ASKED.cold(RULE, 1120.0) == "0 of 2 replicas answer; it gives up in 8 min"
    one = ASKED.heard(1, 1130.0, "unreachable")
    assert one.cold(RULE, 1540.0) == "1 of 2 replicas answer (cannot be reached); it gives up in 60 s"
    assert one.heard(2, 1540.0, "").cold(RULE, 1541.0) == ""


def test_an_answer_grows_old():
    """What answered a minute ago may be scaled away again; what was heard before it was asked for says nothing."""
    warm = ASKED.heard(2, 1100.0, "")
    assert warm.cold(RULE, 1140.0) == ""
    assert "gives up" in warm.cold(RULE, 1141.0)
    assert warm.heard(0, 1100.0, "unreachable") == warm
    assert ASKED.heard(2, 999.0, "") == ASKED
    assert Warmth(2).heard(2, 1000.0, "") == Warmth(2)


def test_a_wait_has_its_deadline():
    """Then nobody is asked any more, the hint says what to do, and after as long again it begins anew."""
    late = replace(ASKED, answered=1, heard_at=1590.0, why="overloaded")
    assert late.is_asking(RULE, 1599.0)
    assert not late.is_asking(RULE, 1600.0)
    assert late.cold(RULE, 1660.0) == (
        "1 of 2 replicas answered (HTTP 429 or 503, overloaded) within 10 min, and it asks "
        "again in 9 min. hint: see how the upstream scales; `crossfade promote` does not wait"
    )
    assert [late.is_due(RULE, now) for now in (1599.0, 2199.0, 2200.0)] == [False, False, True]
    assert Warmth(2).is_due(RULE, 1000.0)
    assert late.is_due(RULE, 900.0)  # a clock that was set back


def test_the_next_weight_says_how_many_are_wanted():
    """The stage above; of a suspended candidate the one it would come back to; at the top none."""
    assert wanted(RULE, rollout(0)) == RULE.wanted(rollout(0).next.served_ppm)
    assert wanted(RULE, rollout(1, Phase.SUSPENDED)) == RULE.wanted(rollout(1).at.served_ppm)
    top = rollout()
    while top.next is not None:
        top = replace(top, stage=top.stage + 1)
    assert wanted(RULE, top) == 0
