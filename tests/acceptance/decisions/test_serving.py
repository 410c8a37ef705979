"""Whoever serves is watched: every move of a ladder × every way to fail, over the real breaker, with made-up time.

A small world: apps ask, a worker's breaker and the candidate answer or do not, the reader's join and the leader's
evaluation take in what the journal would say, a second late. Nothing is awaited and nothing sleeps.
"""

import itertools
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache

import msgspec
import pytest

from gateway.control.events.join import Join, NodeEvent, Served
from gateway.control.leader import persistence
from gateway.control.leader.evaluation import Evaluation
from gateway.control.publish.weights import weigh
from gateway.control.state.port import QueuedEvent
from gateway.proxy.breaker import NOT_ADMITTED, CircuitBreaker
from policies import rollout as rolling
from policies.assignment import bucket
from policies.evidence import Evidence
from policies.review import key_of
from policies.rollout import STOPPED, Decision, Rollout, start
from policies.routing import PPM, Breaker
from policies.rules import CandidateKey, Detectors, Gates, Ladder, Rules, Stage
from policies.terms import Move, Phase, Verb
from records.comparison import Asked, Comparison
from records.exchange import Attempt, Meta
from shadow.sampling import Lot, asked_beside
from tests.fakes.exchanges import exchange
from tests.rooms.compiled_policies import compiled

NOW = 1_800_000_000.0
STAGES = (0, 10_000, 50_000, 250_000, 500_000, 1_000_000)
LADDER = Ladder(tuple(Stage(ppm, max_units=200 if ppm == 1_000_000 else 20_000) for ppm in STAGES))
RULES = Rules("support", CandidateKey("vllm/m", baseline="openai/m"), Gates(quality=None, latency=None), ladder=LADDER)
EDITED = replace(RULES, ladder=Ladder(tuple(replace(stage, max_s=99.0) for stage in LADDER.stages)))
BAR_REQUESTS, BAR_S = 40, 5.0
SUSPENDING = replace(RULES, rollback=replace(RULES.rollback, trial=200), detectors=Detectors(spare_s=60.0))
LASTING_S, BACK_S = 180.0, 180.0
"""Failing on is a rollback within so long; a blip is over within so long."""
MADE = compiled()

Failure = Callable[[float], dict[str, object] | None]
"""What the journal says of a request at so many seconds after the candidate turned bad; None: it is answered."""


def asked(error: str | None, *, ended_s: float = 0.1) -> list[Attempt]:
    return [Attempt("candidate", "vllm", error=error, started_s=0.0, ended_s=ended_s)]


def falls_back(error: str, waited_s: float = 0.05) -> dict[str, object]:
    return {"why": "fallback", "reason": error, "attempts": asked(error), "total_s": waited_s + 0.2}


def gone_waiting(_: float) -> dict[str, object]:
    late = {"outcome": "app_gone", "status": 0, "first_byte_s": None, "total_s": 10.0}
    return {"variant": "candidate", "attempts": asked("app_gone_waiting"), **late}


def our_own_504(_: float) -> dict[str, object]:
    late = {"outcome": "upstream_error", "status": 504, "first_byte_s": None, "total_s": 2.0}
    return {"variant": "gateway", "attempts": asked("total_timeout"), **late}


FAILURES: dict[str, Failure] = {
    "refuses": lambda _: falls_back("connect_failed"),
    "answers 500": lambda _: falls_back("http_500"),
    "answers HTML": lambda _: falls_back("not_json"),
    "hangs within its limit": lambda _: falls_back("first_byte_timeout", 2.0),
    "hangs, apps give up": gone_waiting,
    "hangs, we give up": our_own_504,
    "drips, apps give up": lambda _: {
        "variant": "candidate", "outcome": "app_gone", "attempts": asked("app_gone_waiting"), "total_s": 10.0,
    },
    "drips, apps wait": lambda _: {"variant": "candidate", "attempts": asked("too_slow"), "total_s": 10.0},
    "breaks in the middle": lambda _: {
        "variant": "candidate", "outcome": "upstream_broken", "attempts": asked("between_tokens_timeout"),
    },
    "flaps": lambda since_s: falls_back("connect_failed") if since_s % 2 < 1 else None,
    "heals after 2 s": lambda since_s: falls_back("connect_failed") if since_s < 2 else None,
}  # fmt: skip
HANGS = {
    "hangs within its limit": 2.0, "hangs, apps give up": 10.0, "hangs, we give up": 2.0, "drips, apps give up": 10.0,
    "drips, apps wait": 10.0,
}  # fmt: skip


@dataclass
class World:
    """One route, one worker, one leader."""

    rollout: Rollout
    failure: Failure = lambda _: None
    per_s: float = 20.0
    baseline_fails: bool = False
    now: float = NOW
    version: int = 1
    died_at: float | None = None
    failing: int = 0
    """Requests assigned to the candidate since it died, which it did not answer."""
    weights: list[int] = field(default_factory=list[int])
    """Published since it died."""
    last: Decision | None = None
    rules: Rules = RULES

    def __post_init__(self) -> None:
        self.breaker = CircuitBreaker(Breaker())
        self.served: dict[int, dict[str, Served]] = {}
        self.join = Join(self.served)
        self.leader = Evaluation(self.rules, self.rollout, 1, Evidence(key_of(self.rollout), self.rules))
        self.journal: list[tuple[float, Meta]] = []
        self.beside: list[tuple[float, Comparison]] = []
        self.events = self.asked = 0
        self.publish()

    def publish(self) -> None:
        """What the workers serve from now on."""
        self.version += 1
        rollout = self.leader.rollout
        found = Served(key_of(rollout), Lot(0, 0, 0, "support"))
        if rollout.phase is Phase.SUSPENDED:
            terms = replace(MADE.terms, rules=self.rules)
            found = weigh(MADE.route, terms, rollout, most_ppm=PPM, nodes=1).served or found
        self.served[self.version] = {"support": found}
        if self.died_at is not None:
            self.weights.append(self.leader.rollout.weight_ppm)

    def die(self, failure: Failure) -> None:
        self.failure, self.died_at = failure, self.now
        self.weights.append(self.leader.rollout.weight_ppm)

    def stand(self, rollout: Rollout) -> None:
        self.leader.stand(rollout)
        self.publish()

    def lead_anew(self) -> None:
        """Another leader goes on from what this one kept."""
        kept = persistence.pack(self.leader)
        self.leader = persistence.evaluation(self.leader.rules, self.leader.rollout, 1, kept, self.now)

    def ask(self) -> None:
        """One request, from the app to the journal."""
        self.asked += 1
        unit = f"u{self.asked}"
        meta: dict[str, object] = {"unit": unit, "arrived_at": self.now, "table_version": self.version}
        if self.baseline_fails:
            meta["status"] = 500
        if bucket(unit, "support") < self.leader.rollout.weight_ppm:
            meta |= self._ask_candidate()
        row = exchange(self.asked, **{"total_s": 0.2, **meta}).meta
        self.journal.append((self.now + row.total_s, row))
        lot = self.served[self.version]["support"].lot
        for who in asked_beside(row, lot):
            self.beside.append((self.now + row.total_s, self._beside(row, who)))

    def _beside(self, row: Meta, who: Asked) -> Comparison:
        """What the shadow finds: the candidate fails as it would an app."""
        found = self.failure(self.now - self.died_at) if self.died_at is not None else None
        return Comparison(
            exchange_id=row.id, asked=who, route="support", unit=row.unit, candidate_key=self.rules.key.digest,
            compared_us=0, p_mirror=1.0, came="answered" if found is None else "failed",
        )  # fmt: skip

    def _ask_candidate(self) -> dict[str, object]:
        generation = self.breaker.admit(self.now)
        if generation == NOT_ADMITTED:
            self.failing += 1
            return {"why": "breaker"}
        found = self.failure(self.now - self.died_at) if self.died_at is not None else None
        if found is None:
            self.breaker.succeeded(generation, self.now)
            return {"variant": "candidate", "status": 200, "attempts": asked(None)}
        self.failing += 1
        self.breaker.failed(generation, self.now)
        return found

    def read(self) -> None:
        """The node tells what ended at least a second ago."""
        over = [row for at, row in self.journal if at <= self.now - 1]
        self.journal = [each for each in self.journal if each[0] > self.now - 1]
        ready = [one for row in over for one in self.join.exchange(row, self.now)]
        answered = [row for at, row in self.beside if at <= self.now - 1]
        self.beside = [each for each in self.beside if each[0] > self.now - 1]
        ready += [one for row in answered for one in self.join.comparison(row, self.now)]
        told = [NodeEvent(self.now, 0.0, key, service=part) for key, part in self.join.take_service()]
        told += [NodeEvent(self.now, 0.0, key, event) for key, event in ready]
        for each in [*told, NodeEvent(self.now, 0.0)]:
            self.events += 1
            self.leader.take(QueuedEvent("n", self.events, "support", msgspec.json.encode(each)), self.now, 1)

    def look(self) -> None:
        self.last = self.leader.look(self.now, bounds=False)
        if self.last.move is not Move.HOLD:
            self.stand(self.last.rollout)
        else:
            starts = self.last.rollout.is_tried and not self.leader.rollout.is_tried
            self.leader.rollout = self.last.rollout
            if starts:
                self.publish()

    def order(self, verb: Verb) -> Decision:
        seen = self.leader.results(self.now, bounds=False)
        found = rolling.command(self.leader.rollout, verb, now=self.now, by="me", reason="now", seen=seen)
        if not found.refused:
            self.stand(found.rollout)
        return found

    def live(self, seconds: float) -> Iterator[None]:
        """Time passes, a look each second, until traffic is back at the baseline."""
        end, next_look = self.now + seconds, self.now
        while self.now < end and self.leader.rollout.phase not in STOPPED:
            self.ask()
            if self.now >= next_look:
                self.read()
                self.look()
                next_look = self.now + 1
                yield
            self.now += 1 / self.per_s


def at(ppm: int, phase: Phase | None = None) -> Rollout:
    stage = STAGES.index(ppm)
    phase = phase or (Phase.PROMOTED if ppm == STAGES[-1] else Phase.CANARY)
    return replace(start(RULES), stage=stage, phase=phase, seen_at=NOW)


def pass_time(world: World, seconds: float) -> None:
    for _ in world.live(seconds):
        pass


def established(rollout: Rollout, rules: Rules = RULES, *, per_s: float = 20.0, seconds: float = 20.0) -> World:
    """A world of one's own whose candidate has served so long and well; what all begin with is lived once."""
    return deepcopy(_lived(rollout, rules, per_s, seconds))


@cache
def _lived(rollout: Rollout, rules: Rules, per_s: float, seconds: float) -> World:
    world = World(rollout, per_s=per_s, rules=rules)
    pass_time(world, seconds)
    return world


MOVES: dict[str, tuple[Rollout, Callable[[World], object]]] = {
    "none": (at(250_000), lambda _: None),
    "none, at 5 %": (at(50_000), lambda _: None),
    "none, at 100 %": (at(1_000_000), lambda _: None),
    "advance": (at(250_000), lambda world: world.stand(replace(at(500_000), seen_at=world.now))),
    "to the last stage": (at(500_000), lambda world: world.stand(replace(at(1_000_000), seen_at=world.now))),
    "await": (at(250_000), lambda world: world.stand(at(250_000, Phase.APPROVING))),
    "withdraw": (at(250_000, Phase.APPROVING), lambda world: world.stand(at(250_000))),
    "pause": (at(250_000), lambda world: world.stand(at(250_000, Phase.PAUSED))),
    "resume": (at(250_000, Phase.PAUSED), lambda world: world.order(Verb.RESUME)),
    "promote": (at(250_000), lambda world: world.order(Verb.PROMOTE)),
    "renew": (at(1_000_000), lambda world: world.stand(replace(at(1_000_000), epoch=1))),
    "revise": (at(250_000), lambda world: world.stand(rolling.revise(at(250_000), EDITED, now=world.now).rollout)),
    "another leader": (at(250_000), lambda world: world.lead_anew()),
}


def assert_back_in_time(world: World, name: str) -> None:
    """Traffic is back in time, by a rollback with its latch, and never went up."""
    assert world.died_at is not None
    assert world.last is not None
    assert world.leader.rollout.phase is Phase.ROLLED_BACK, world.last.reason
    assert (world.last.move, world.leader.rollout.rollbacks) == (Move.ROLL_BACK, 1)
    assert world.weights == sorted(world.weights, reverse=True)
    took_s = world.now - world.died_at
    assert took_s <= HANGS.get(name, 0.0) + BAR_S or world.failing <= BAR_REQUESTS, (took_s, world.failing)


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("move", MOVES)
def test_dies_in_the_moment_of_a_move(move: str, name: str) -> None:
    """In the very moment of each move: the first failures fall under the old table, and count."""
    begun, makes = MOVES[move]
    world = established(begun)
    world.die(FAILURES[name])
    pass_time(world, 0.5)
    makes(world)
    world.weights = world.weights[-1:]
    pass_time(world, 120.0)
    assert_back_in_time(world, name)


@pytest.mark.parametrize("name", FAILURES)
def test_renewals_hide_nothing(name: str) -> None:
    """A promoted candidate whose evidence begins afresh each second, its breaker open, is rolled back all the same."""
    world = established(at(1_000_000))
    world.die(FAILURES[name])
    for _ in world.live(120.0):
        if world.leader.rollout.phase not in STOPPED:
            world.stand(replace(world.leader.rollout, epoch=world.leader.rollout.epoch + 1))
    assert_back_in_time(world, name)


def test_a_tail_of_failures_takes_traffic_back_and_never_up() -> None:
    """One request in 33 never begins to answer, the others are well: no row of failures, yet it loses its traffic."""
    world, count = established(at(250_000), per_s=100.0), itertools.count(1)
    world.die(lambda _: falls_back("first_byte_timeout", 2.0) if next(count) % 33 == 0 else None)
    pass_time(world, 400.0)
    assert world.leader.rollout.phase is Phase.ROLLED_BACK
    assert world.weights == sorted(world.weights, reverse=True)


@pytest.mark.parametrize("phase", [Phase.CANARY, Phase.APPROVING, Phase.PAUSED])
def test_promote_in_the_tick_in_which_it_is_seen_dead(phase: Phase) -> None:
    """Dead for two seconds at 50 %, and `promote` ordered before the leader has looked: it does not go up."""
    world = established(at(500_000, phase))
    world.die(FAILURES["refuses"])
    end = world.now + 2
    while world.now < end:
        world.ask()
        world.now += 1 / world.per_s
    world.read()
    said = world.order(Verb.PROMOTE)
    assert said.refused
    assert "requests assigned to it" in said.reason
    assert world.leader.rollout.weight_ppm == 500_000
    pass_time(world, 5.0)
    assert_back_in_time(world, "refuses")


@pytest.mark.parametrize("name", ["refuses", "hangs within its limit", "breaks in the middle"])
def test_six_requests_a_minute(name: str) -> None:
    """Little traffic: a few failures in a row are enough, however long they take to come."""
    world = established(at(1_000_000), per_s=0.1, seconds=600.0)
    world.die(FAILURES[name])
    pass_time(world, 600.0)
    assert_back_in_time(world, name)
    assert world.failing <= 8


def test_an_outage_of_both_takes_nothing() -> None:
    """Where the baseline fails as well, the candidate is not blamed for it."""
    world = established(at(500_000))
    world.baseline_fails = True
    world.die(lambda _: {**falls_back("connect_failed"), "status": 500})
    pass_time(world, 60.0)
    assert world.leader.rollout.phase is Phase.CANARY


def test_a_healthy_candidate_keeps_its_traffic() -> None:
    """Ten minutes without a failure move nothing down."""
    world = World(at(500_000))
    pass_time(world, 600.0)
    assert world.leader.rollout.phase is Phase.CANARY


def test_nothing_returns_by_itself() -> None:
    """One that healed before anybody acted is rolled back, and its next attempt knows nothing and serves nothing."""
    world = established(at(1_000_000))
    world.die(FAILURES["heals after 2 s"])
    pass_time(world, 30.0)
    assert_back_in_time(world, "heals after 2 s")
    day = replace(world.leader.rollout, lived_s=RULES.rollback.cooldown_s)
    again = rolling.step(day, world.leader.results(world.now, bounds=False), now=world.now)
    assert (again.move, again.rollout.phase, again.rollout.weight_ppm) == (Move.RESTART, Phase.SHADOW, 0)
    world.stand(again.rollout)
    assert world.leader.liveness.unhealthy() is None
    assert world.leader.evidence.count("requests") == 0


# Suspended first ----------------------------------------------------------------------------------------------------


def suspending(ppm: int, *, per_s: float = 20.0) -> World:
    """A candidate of today's rules at a weight, twenty seconds old."""
    begun = replace(at(ppm), key=SUSPENDING.key, settings=SUSPENDING.rollback)
    return established(begun, SUSPENDING, per_s=per_s)


def until(world: World, phase: Phase, within_s: float) -> float:
    """How long it takes to get to a phase."""
    assert world.last is not None
    begun = world.now
    for _ in world.live(within_s):
        if world.leader.rollout.phase is phase:
            break
    assert world.leader.rollout.phase is phase, (world.leader.rollout.phase, world.last.reason)
    return world.now - begun


def blip(world: World, seconds: float = 1.0) -> None:
    """All that is assigned to the candidate fails for so long."""
    world.die(lambda since_s: falls_back("connect_failed") if since_s < seconds else None)


@pytest.mark.parametrize("ppm", [50_000, 250_000, 1_000_000])
@pytest.mark.parametrize("name", [name for name in FAILURES if not name.startswith("heals")])
def test_failing_on_is_suspended_and_then_rolled_back(name: str, ppm: int) -> None:
    """Weight 0 within the bars of a rollback, and the rollback itself within three minutes; never up in between."""
    world = suspending(ppm)
    world.die(FAILURES[name])
    took_s = until(world, Phase.SUSPENDED, 120.0)
    assert took_s <= HANGS.get(name, 0.0) + BAR_S or world.failing <= BAR_REQUESTS, (took_s, world.failing)
    took_s += until(world, Phase.ROLLED_BACK, LASTING_S)
    assert took_s <= LASTING_S + HANGS.get(name, 0.0), took_s
    assert world.weights == sorted(world.weights, reverse=True)
    assert world.leader.rollout.rollbacks == 1


@pytest.mark.parametrize("ppm", [250_000, 1_000_000])
@pytest.mark.parametrize("seconds", [1.0, 5.0, 30.0])
@pytest.mark.parametrize("per_s", [2.0, 20.0])
def test_a_blip_is_over_within_minutes(ppm: int, seconds: float, per_s: float) -> None:
    """All conversations fail for a while: it is back at its weight, with what was counted, and stays."""
    world = suspending(ppm, per_s=per_s)
    counted = world.leader.evidence.count("requests")
    blip(world, max(seconds, 8.0 / (per_s * ppm / PPM)))  # as many failures as an alarm takes
    took_s = until(world, Phase.SUSPENDED, 30.0)
    back = Phase.PROMOTED if ppm == 1_000_000 else Phase.CANARY
    took_s += until(world, back, BACK_S)
    assert took_s <= BACK_S
    rollout = world.leader.rollout
    assert (rollout.weight_ppm, rollout.attempt, rollout.rollbacks) == (ppm, 1, 0)
    assert world.leader.evidence.count("requests") > counted
    assert world.leader.liveness.unhealthy() is None
    pass_time(world, 120.0)
    assert world.leader.rollout.phase is back


def test_the_third_blip_of_a_day_costs_the_day() -> None:
    """Twice it comes back; then it is rolled back, and nothing of it returns by itself."""
    world = suspending(250_000)
    for _ in range(2):
        blip(world)
        until(world, Phase.SUSPENDED, 30.0)
        until(world, Phase.CANARY, BACK_S)
    blip(world)
    until(world, Phase.ROLLED_BACK, 30.0)
    assert world.last is not None
    assert world.last.reason.endswith("; suspended 2 times within a day already")


def test_another_leader_goes_on_with_a_trial() -> None:
    """What was heard of it, and what the stage had shown, is kept through a change of leaders at any time of it."""
    world = suspending(250_000)
    blip(world)
    until(world, Phase.SUSPENDED, 30.0)
    pass_time(world, 65.0)
    tried = world.leader.results(world.now, bounds=False).tried
    assert 0 < tried < 200
    world.lead_anew()
    assert world.leader.results(world.now, bounds=False).tried == tried
    until(world, Phase.CANARY, BACK_S)
    world.lead_anew()
    assert world.leader.evidence.detectors == {}
    assert world.leader.evidence.count("requests")


def test_what_was_served_before_an_alarm_is_counted_and_alarms_nobody_again() -> None:
    """Requests that hang for ten seconds are told while it is suspended: they stand in the stage's counts alone."""
    world = suspending(1_000_000)
    world.die(lambda since_s: gone_waiting(since_s) if since_s < 1 else None)
    until(world, Phase.SUSPENDED, 30.0)
    counted = world.leader.evidence.count("requests")
    pass_time(world, 15.0)
    assert world.leader.evidence.count("requests") > counted
    assert not world.leader.evidence.detectors
    until(world, Phase.PROMOTED, BACK_S)
