"""No history, however odd, raises a weight without a certificate or an operator (G6, Z6)."""

from collections import deque
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from policies.results import Alarm, GateResult, GuardResult, Results
from policies.rollout import Decision, command, revise, start, step
from policies.rules import PPM, Held, Ladder, Stage
from policies.terms import Phase, Verb, Verdict
from tests.acceptance.decisions.laws import KEY, RULES, STAGES, check

verdicts = st.sampled_from(Verdict)
gates = st.builds(
    lambda verdict, required, futile: GateResult("quality", verdict, "quality", required=required, futile=futile),
    verdicts, st.booleans(), st.booleans(),
)  # fmt: skip
guards = st.builds(
    lambda verdict, required: GuardResult("outputs", verdict, f"outputs: {verdict.name}", required),
    verdicts,
    st.booleans(),
)
alarms = st.builds(lambda raised: Alarm("errors", 4.0, 4.0, raised, "detector errors"), st.booleans())
results = st.builds(
    Results,
    st.lists(gates, max_size=3).map(tuple), st.lists(guards, max_size=2).map(tuple),
    st.lists(alarms, max_size=1).map(tuple), st.sampled_from([0, 99, 100, 400, 10**6]),
    st.sampled_from([None, None, "stale"]), st.sampled_from([None, None, "breaker"]), st.sampled_from([None, 0.8]),
    tried=st.sampled_from([0, 19, 20]),
)  # fmt: skip
ladders = st.lists(st.integers(1, PPM), max_size=4, unique=True).map(
    lambda weights: Ladder((Stage(0), *(Stage(weight) for weight in sorted(weights))))
)
moments = st.one_of(st.floats(-1e9, 1e10), st.sampled_from([float("nan"), float("inf")]))


class Machine(RuleBasedStateMachine):
    """Evidence, operators, edits and time, in any order."""

    @initialize()
    def begin(self):
        """Every history begins at the foot."""
        self.rollout = start(RULES)
        self.rules = RULES
        self.now = 0.0
        self.decision: Decision | None = None

    def take(self, decision: Decision, found: Results | None) -> None:
        check(self.rollout, decision, found)
        self.rollout = decision.rollout

    @rule(found=results, passed=st.sampled_from([0.0, 1.0, 60.0, 1e7, -1e7]))
    def look(self, found: Results, passed: float):
        """Evidence of any kind, after any time."""
        self.now += passed
        self.take(step(self.rollout, found, now=self.now), found)

    @rule(found=results, now=moments)
    def look_at_any_time(self, found: Results, now: float):
        """Clocks that jump anywhere, or give no number."""
        self.take(step(self.rollout, found, now=now), found)

    @rule(passed=st.integers(1, 20))
    def wait(self, passed: int):
        """Steps without evidence, a minute apart."""
        for _ in range(passed):
            self.now += 60.0
            self.take(step(self.rollout, Results(), now=self.now), Results())

    @rule(times=st.integers(1, 4))
    def certify(self, times: int):
        """The best evidence there is, so that histories reach the top."""
        best = Results((GateResult("quality", Verdict.PASS, "quality: PASS", lower=-0.01),), units=100, tried=20)
        for _ in range(times):
            self.now += 60.0
            self.take(step(self.rollout, best, now=self.now), best)

    @rule(verb=st.sampled_from(Verb))
    def order(self, verb: Verb):
        """Any word of an operator, at any time."""
        decision = command(self.rollout, verb, now=self.now, by="ann", reason="because")
        if verb is Verb.ROLLBACK:
            assert decision.rollout.weight_ppm == 0
        self.take(decision, None)

    @rule(ladder=ladders)
    def edit(self, ladder: Ladder):
        """An edited policy of the same candidate."""
        self.rules = replace(self.rules, ladder=ladder)
        before = self.rollout.weight_ppm
        self.take(revise(self.rollout, self.rules, now=self.now), None)
        assert self.rollout.weight_ppm <= before

    @rule(revision=st.sampled_from("123"))
    def redeploy(self, revision: str):
        """Another candidate, or the same once more."""
        changed = replace(KEY, revision=revision) != self.rollout.key
        self.rules = replace(self.rules, key=replace(KEY, revision=revision))
        self.take(revise(self.rollout, self.rules, now=self.now), None)
        if changed:
            assert self.rollout == replace(start(self.rules), seen_at=self.now)

    @invariant()
    def stands_somewhere(self):
        """The state is one the ladder has."""
        if hasattr(self, "rollout"):
            assert 0 <= self.rollout.stage < len(self.rollout.ladder.stages)
            assert 0 <= self.rollout.weight_ppm <= PPM
            assert self.rollout.lived_s >= 0


Machine.TestCase.settings = settings(max_examples=60, stateful_step_count=30)
TestHistories = Machine.TestCase


ALPHABET = (
    Results(),
    Results((GateResult("quality", Verdict.PASS, "p"),), units=100),
    Results((GateResult("quality", Verdict.PASS, "p"),), units=100, tried=20),
    Results((GateResult("quality", Verdict.INCONCLUSIVE, "i"),), units=400),
    Results((GateResult("quality", Verdict.ERROR, "e"),), units=100),
    Results((GateResult("quality", Verdict.FAIL, "f"),), units=1),
    Results(alarms=(Alarm("errors", 4.0, 4.0, raised=True, reason="a"),)),
)


def test_every_reachable_state_is_safe():
    """All histories of depth 12 over three stages, every kind of evidence, every verb and an edit: no violation."""
    begun = replace(start(RULES), seen_at=0.0)
    shorter = replace(RULES, ladder=Ladder(STAGES[:2]))
    seen, frontier, edges = {begun}, deque([(begun, 0)]), 0
    while frontier:
        rollout, depth = frontier.popleft()
        if depth == 12:
            continue
        decisions: list[tuple[Decision, Results | None]] = [
            (step(rollout, found, now=60.0), found) for found in ALPHABET
        ]
        decisions += [(command(rollout, verb, now=0.0, by="ann", reason="x"), None) for verb in Verb]
        decisions += [(revise(rollout, rules, now=0.0), None) for rules in (RULES, shorter)]
        for decision, found in decisions:
            check(rollout, decision, found)
            edges += 1
            # time and counters are capped where they no longer matter, so that states repeat
            watch = decision.rollout.held.watch % 2
            after = replace(
                decision.rollout, seen_at=0.0, held=Held(watch=watch), lived_s=min(decision.rollout.lived_s, 660.0),
                attempt=1,
                epoch=0, budgets=min(decision.rollout.budgets, 2), rollbacks=min(decision.rollout.rollbacks, 2),
                suspended_ago_s=tuple(min(ago_s, 240.0) for ago_s in decision.rollout.suspended_ago_s),
            )  # fmt: skip
            if after not in seen:
                seen.add(after)
                frontier.append((after, depth + 1))
    assert {rollout.phase for rollout in seen} == set(Phase)
    assert edges > 3000
