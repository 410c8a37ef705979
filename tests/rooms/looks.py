"""A canary and what its leader's looks say of it."""

from dataclasses import replace

from gateway.control.state.port import Decided
from gateway.control.state.sqlite import SqliteState
from policies import explain
from policies.results import Results
from policies.review import Conditions
from policies.rollout import Decision, Rollout, start, step
from policies.terms import Phase
from tests.rooms.rollouts import RULES

NOW = 1_800_000_000.0
CANARY = replace(start(RULES), stage=1, phase=Phase.CANARY, seen_at=NOW - 5)


def told(decision: Decision, name: str = "d1") -> Decided:
    record = explain.encode(explain.DecisionRecord("1", decision, Conditions()))
    return Decided(name, decision.at, "triage", decision.move, decision.outcome, explain.text(decision), record)


def look(state: SqliteState, results: Results, rollout: Rollout = CANARY) -> None:
    state.keep_look(told(step(rollout, results, now=NOW)))
