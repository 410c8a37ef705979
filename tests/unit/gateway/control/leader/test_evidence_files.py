"""What is written of a transition, for people and for auditors."""

import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.control.leader.evidence_files import record_in, write
from gateway.control.state.port import Decided
from policies import explain
from policies.results import GateResult
from policies.review import Conditions
from policies.rollout import Decision, command, revise, start, step
from policies.terms import Phase, Verb, Verdict
from tests.rooms.rollouts import GOOD, RULES

NOW = 1_800_000_000.0  # 2027-01-15 08:00:00 UTC
ID = "01a3185c-5000-7abc-8def-0123456789ab"
STEM = "20270115T080000Z-advance-0123456789ab"
SHADOW = replace(start(RULES), lived_s=600.0, seen_at=NOW)
GATE = GateResult(
    "quality", Verdict.PASS, "certified", estimate=0.01, lower=-0.02, limit=-0.05, log10_e=2.5, needed=1.3
)


def told(decision: Decision) -> Decided:
    record = explain.encode(explain.DecisionRecord("1", decision, Conditions()))
    return Decided(ID, NOW, "triage", decision.move, decision.outcome, explain.text(decision), record)


def written(folder: Path, decision: Decision) -> Path:
    return write(folder, told(decision), decision, "ab" * 32)


def advance() -> Decision:
    return step(SHADOW, replace(GOOD, gates=(GATE,)), now=NOW)


def test_the_json_holds_what_an_auditor_asks(tmp_path: Path) -> None:
    """Who, what, when, on which evidence, under which policy; and the record from which it can be decided again."""
    found = json.loads(written(tmp_path, advance()).read_bytes())
    record = found.pop("record")
    assert found == {
        "decision_id": ID, "route": "triage", "at": "2027-01-15T08:00:00+00:00", "by": "evidence", "move": "advance",
        "outcome": "PROMOTE", "rule": "certified", "reason": "every required gate is certified on 100 units",
        "candidate": "vllm/triage-7b", "revision": "2026-11-18", "candidate_key": RULES.key.digest,
        "from_stage": SHADOW.at.label, "to_stage": "5%", "policy_sha256": "ab" * 32,
        "window": ["2027-01-15T07:50:00+00:00", "2027-01-15T08:00:00+00:00"], "units": 100,
    }  # fmt: skip
    kept = explain.decode(json.dumps(record).encode())
    assert explain.decode(record_in(written(tmp_path, advance()).read_bytes())) == kept
    assert explain.replay(kept) == kept.decision == advance()


def test_the_markdown_says_the_same(tmp_path: Path) -> None:
    """The same facts in a table, every gate with its numbers and a dash for what is not known, and the explanation."""
    lines = written(tmp_path, advance()).with_suffix(".md").read_text().splitlines()
    assert lines[0] == "# triage: PROMOTE"
    assert "| stage | shadow → 5%, weight 5% |" in lines
    assert "| window | 2027-01-15T07:50:00+00:00 to 2027-01-15T08:00:00+00:00, 100 units |" in lines
    assert f"| policy | sha256 {'ab' * 32} |" in lines
    assert "| quality | PASS | 0.01 | -0.02 to – | -0.05 | 2.5 (1.3) |" in lines
    explained = explain.text(advance()).splitlines()
    assert lines[lines.index("```") + 1 : -1] == explained


def test_an_operators_words_break_nothing(tmp_path: Path) -> None:
    """Bars, newlines and fences in a reason stay words: no row, heading or block of their own."""
    canary = replace(SHADOW, stage=1, phase=Phase.CANARY)
    decision = command(canary, Verb.ROLLBACK, now=NOW, by="a|b", reason="odd | words\n# Fine\n```\nend")
    text = written(tmp_path, decision).with_suffix(".md").read_text()
    assert "| by | a\\|b |" in text
    assert "a\\|b: odd \\| words # Fine" in text
    assert text.count("```") == 3  # one in a sentence, and the block's own two
    assert [line for line in text.splitlines() if line.startswith("```")] == ["```", "```"]


def test_a_pair_per_transition(tmp_path: Path) -> None:
    """Both under the route's name, by moment, word and id; a decision told twice is one pair."""
    path = written(tmp_path, advance())
    written(tmp_path, advance())
    assert path == tmp_path / "triage" / f"{STEM}.json"
    assert sorted(each.name for each in path.parent.iterdir()) == [f"{STEM}.json", f"{STEM}.md"]


def test_an_edit_is_called_by_its_rule(tmp_path: Path) -> None:
    """What moved nothing has its rule for a word: `hold` would say nothing."""
    decision = revise(SHADOW, RULES, now=NOW)
    assert written(tmp_path, decision).name == "20270115T080000Z-revision-0123456789ab.json"


def test_only_the_gateway_may_read_it(tmp_path: Path) -> None:
    """Files are for this user only, and so is their directory."""
    path = written(tmp_path, advance())
    modes = [stat.S_IMODE(each.stat().st_mode) for each in (path, path.with_suffix(".md"), path.parent)]
    assert modes == [0o600, 0o600, 0o700]


def test_whole_or_not_at_all(tmp_path: Path) -> None:
    """Where it cannot be written what was there stays, and nothing half-written is left behind."""
    there = tmp_path / "triage" / f"{STEM}.json"
    (there / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        written(tmp_path, advance())
    assert list(there.parent.iterdir()) == [there]
