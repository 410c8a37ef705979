"""One rollout's wait for its servers: asked for once, told when it is given up, forgotten when something else waits."""

import json
from dataclasses import dataclass, field, replace
from io import StringIO

from gateway.control.leader.warming import WarmWait
from gateway.log import Log
from policies.results import Results
from policies.rollout import Decision, Rollout, start, step
from policies.rules import PPM, Ladder, Stage
from policies.terms import Phase
from policies.warm_rule import WarmRule
from policies.warmth import NOT_ASKED
from shadow.warming import WarmReport, WarmWish
from tests.rooms.rollouts import GOOD, RULES, UNSURE

RULE = WarmRule(replicas=8, within_s=600.0, answer_s=5.0, url="http://127.0.0.1:9100/scale")
NOW = 2000.0
LADDER = Ladder((Stage(0), Stage(50_000), Stage(500_000), Stage(PPM)))
CANARY = replace(start(replace(RULES, ladder=LADDER)), stage=1, phase=Phase.CANARY, lived_s=1e6)
"""It wants to go from 5 % to 50 % of the traffic, for which four of eight replicas are wanted."""


@dataclass(slots=True)
class Posts:
    posted: list[tuple[str, dict[str, object]]] = field(default_factory=list[tuple[str, dict[str, object]]])

    def post(self, url: str, body: bytes) -> None:
        self.posted.append((url, json.loads(body)))


@dataclass(slots=True)
class Waiting:
    """What a leader does with one rollout, look by look."""

    wait: WarmWait = field(default_factory=lambda: WarmWait(RULE))
    poster: Posts = field(default_factory=Posts)
    log: StringIO = field(default_factory=StringIO)
    rollout: Rollout = CANARY

    def look(self, now: float, found: Results = GOOD) -> Decision:
        decision = step(self.rollout, replace(found, cold=self.wait.cold(self.rollout, now)), now=now)
        self.wait.follow(decision, "tuned", self.poster, Log("controller", lambda: now, self.log))
        return decision

    @property
    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.log.getvalue().splitlines()]


def test_what_is_certified_has_its_servers_asked_for_once() -> None:
    """The first look finds nothing but them missing: whoever scales is told, and the shadow is wished to find out."""
    here = Waiting()
    assert here.look(NOW).rule == "warm"
    assert here.wait.wish(NOW) == WarmWish(4, 5.0)
    here.look(NOW + 15.0)
    assert here.poster.posted == [(RULE.url, {"upstream": "tuned", "route": "triage", "replicas": 4})]
    assert here.events == ["warm.asked"]


def test_as_many_answers_as_are_wanted_let_it_rise() -> None:
    """Fewer do not, and neither do those to another number of requests; the same is news once."""
    here = Waiting()
    here.look(NOW)
    assert here.wait.hear(WarmReport(4, 3, NOW + 2.0, "unreachable"))
    assert not here.wait.hear(WarmReport(4, 3, NOW + 2.0, "unreachable"))
    assert not here.wait.hear(WarmReport(2, 2, NOW + 3.0))
    assert here.look(NOW + 3.0).rule == "warm"
    here.wait.hear(WarmReport(4, 4, NOW + 4.0))
    assert here.look(NOW + 5.0).rollout.weight_ppm > CANARY.weight_ppm


def test_a_wait_that_is_given_up_is_one_alarm_and_begins_again() -> None:
    """It says so once, nobody is asked meanwhile, and after as long again whoever scales is told again."""
    here = Waiting()
    here.look(NOW)
    for now in (NOW + 600.0, NOW + 700.0):
        assert here.look(now).rollout.weight_ppm == CANARY.weight_ppm
        assert here.wait.wish(now) is None
    told = json.loads(here.log.getvalue().splitlines()[-1])
    assert (told["event"], told["level"]) == ("warm.given_up", "error")
    assert "0 of 4 replicas answered within 10 min" in told["reason"]
    assert "crossfade promote" in told["hint"]
    here.look(NOW + 1200.0)
    assert here.events == ["warm.asked", "warm.given_up", "warm.asked"]
    assert here.wait.wish(NOW + 1200.0) == WarmWish(4, 5.0)


def test_it_ends_when_something_else_is_missing() -> None:
    """A certificate that no longer holds needs no servers: nobody is asked for them any more."""
    here = Waiting()
    here.look(NOW)
    here.look(NOW + 5.0, UNSURE)
    assert here.wait.warmth == NOT_ASKED
    assert here.wait.wish(NOW + 5.0) is None


def test_a_suspended_one_wants_them_for_the_weight_it_comes_back_to() -> None:
    """And without a rule, or on the last stage, nothing is waited for."""
    stands = WarmWait(RULE)
    assert "1 replica to be asked for" in stands.cold(replace(CANARY, phase=Phase.SUSPENDED), NOW)
    assert "4 replicas to be asked for" in stands.cold(CANARY, NOW)
    assert WarmWait(None).cold(CANARY, NOW) == ""
    assert stands.cold(replace(CANARY, stage=3, phase=Phase.PROMOTED), NOW) == ""
