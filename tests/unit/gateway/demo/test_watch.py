from gateway.control.state.port import Decided
from gateway.control.state.sqlite import SqliteState
from gateway.demo.watch import DecisionWatch
from policies import explain
from policies.evidence import Evidence, EvidenceKey
from policies.results import Results
from policies.review import Conditions
from policies.rollout import start, step
from policies.rules import CandidateKey, Rules

RULES = Rules("tickets", CandidateKey("own/m", revision="r1"))


def _decided(name, at):
    decision = step(start(RULES), Results(), now=at)
    evidence = Evidence(EvidenceKey("tickets", RULES.key.digest, 1, 0), RULES)
    kept = explain.record(decision, evidence, Conditions(), version="test")
    return Decided(name, at, "tickets", decision.move, decision.outcome, explain.text(decision), explain.encode(kept))


def test_each_decision_is_seen_once_and_in_order(tmp_path):
    """New decisions come oldest first, and only once; the last look is at hand."""
    state = SqliteState(tmp_path / "state.db")
    watch = DecisionWatch(state, "tickets")
    assert watch.news() == []
    assert watch.look is None
    for number in range(3):
        state.add_decision(_decided(f"d{number}", 100.0 + number))
    state.keep_look(_decided("look", 200.0))
    assert [kept.id for kept, _ in watch.news()] == ["d0", "d1", "d2"]
    assert watch.news() == []
    assert watch.look is not None
    assert watch.look.at == 200.0
    state.close()


def test_a_state_that_cannot_be_read_is_no_news(tmp_path):
    """While the state is away there is nothing new, and nothing breaks."""
    watch = DecisionWatch(SqliteState(tmp_path / "nowhere" / "state.db"), "tickets")
    assert watch.news() == []
