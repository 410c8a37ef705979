"""Votes on pairs in this node's state."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.node import database, labels
from gateway.node.database import StateError
from gateway.node.labels import LabelsFullError, PairLabel

LABEL = PairLabel("e1", "candidate", "ada", "triage", "random", "baseline", ("too long",), 1.0)


def test_a_vote_is_one_per_person_and_pair(tmp_path: Path) -> None:
    """Voting again changes the vote; others' votes stay; taking one back takes that one alone."""
    with labels.opened(tmp_path / "state.db") as state:
        for label in (LABEL, replace(LABEL, by="bob", at=2.0), replace(LABEL, vote="candidate", at=3.0)):
            labels.keep(state, label)
        assert [(each.by, each.vote, each.tags) for each in labels.stored(state)] == [
            ("ada", "candidate", ("too long",)), ("bob", "baseline", ("too long",)),
        ]  # fmt: skip
        assert labels.stored(state, route="other") == []
        labels.forget(state, LABEL)
        assert [each.by for each in labels.stored(state, route="triage")] == ["bob"]


def test_each_of_several_candidates_has_its_vote(tmp_path: Path) -> None:
    """What somebody says of one candidate's answer leaves the others' alone: kept, changed, taken back, and scored."""
    same, other = (replace(LABEL, route=f"triage@{name}") for name in ("same", "other"))
    with labels.opened(tmp_path / "state.db") as state:
        for label in (same, replace(other, vote="candidate"), replace(same, vote="equal", at=2.0)):
            labels.keep(state, label)
        assert {each.route: each.vote for each in labels.stored(state)} == {
            "triage@same": "equal", "triage@other": "candidate",
        }  # fmt: skip
        assert labels.scores(labels.stored(state)) == {
            ("e1", "candidate", "triage@same"): 0.0, ("e1", "candidate", "triage@other"): 1.0,
        }  # fmt: skip
        assert labels.forget(state, same)
        assert [each.route for each in labels.stored(state)] == ["triage@other"]


_BEFORE = """
CREATE TABLE labels (
    exchange_id TEXT NOT NULL, asked TEXT NOT NULL, by TEXT NOT NULL, route TEXT NOT NULL, pool TEXT NOT NULL,
    vote TEXT NOT NULL, tags TEXT NOT NULL, at REAL NOT NULL, {more}PRIMARY KEY ({key})
) STRICT;
INSERT INTO labels (exchange_id, asked, by, route, pool, vote, tags, at) VALUES
    ('e1', 'candidate', 'ada', 'triage@same', 'random', 'baseline', '["tone"]', 1.0),
    ('e2', 'candidate', 'ada', 'triage', 'chosen', 'equal', '[]', 2.0);
"""


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("", "exchange_id, asked, by"),
        ("", "exchange_id, asked, by, route"),
        ("candidate_key TEXT NOT NULL DEFAULT '', q REAL, ", "exchange_id, asked, by"),
    ],
)
def test_a_state_of_before_keeps_its_votes(tmp_path: Path, more: str, key: str) -> None:
    """A table without room for each candidate's vote, or for verdicts, is made anew once, with all that is in it."""
    with database.opened(tmp_path / "state.db") as state:
        state.executescript(_BEFORE.format(more=more, key=key))
    later = replace(LABEL, route="triage@other", candidate_key="k", q=0.5)
    for _ in range(2):
        with labels.opened(tmp_path / "state.db") as state:
            labels.keep(state, later)
            assert labels.stored(state) == [
                PairLabel("e2", "candidate", "ada", "triage", "chosen", "equal", (), 2.0),
                PairLabel("e1", "candidate", "ada", "triage@same", "random", "baseline", ("tone",), 1.0),
                later,
            ]
            assert labels.judged(labels.stored(state)) == {("triage@other", "k"): [(0.5, -1.0)]}


def test_labels_stand_beside_keys_and_audit(tmp_path: Path) -> None:
    """Each vote and each that was taken back stands in the audit log, its chain whole; a state in ruins says so."""
    with labels.opened(tmp_path / "state.db") as state:
        labels.keep(state, LABEL)
        assert labels.forget(state, LABEL)
        assert not labels.forget(state, LABEL)
    with database.opened(tmp_path / "state.db") as state:
        entries = database.read_audit(state)
    assert [(entry.actor, entry.action, entry.subject) for entry in entries] == [
        ("ada", "labels.vote", "triage: e1 candidate"), ("ada", "labels.undo", "triage: e1 candidate"),
    ]  # fmt: skip
    assert database.first_broken(entries) is None
    (tmp_path / "broken.db").write_bytes(b"no database" * 100)
    with pytest.raises(StateError, match="hint"), labels.opened(tmp_path / "broken.db"):
        pass


def test_votes_are_bounded(tmp_path: Path) -> None:
    """Where as many votes are kept as may be, one more is refused, and one that is there can still be changed."""
    with labels.opened(tmp_path / "state.db") as state:
        labels.keep(state, LABEL, most=1)
        labels.keep(state, replace(LABEL, vote="equal"), most=1)
        with pytest.raises(LabelsFullError, match="hint"):
            labels.keep(state, replace(LABEL, by="bob"), most=1)
        assert [(each.by, each.vote) for each in labels.stored(state)] == [("ada", "equal")]


def test_scores_of_pairs() -> None:
    """A pair's score is the mean of its people's; a skipped one has none; pools can be told apart."""
    said = [
        LABEL, replace(LABEL, by="bob", vote="candidate"), replace(LABEL, by="eve", vote="equal"),
        replace(LABEL, exchange_id="e2", vote="skipped"),
        replace(LABEL, exchange_id="e3", pool="disagreements", vote="candidate"),
    ]  # fmt: skip
    assert labels.scores(said) == {("e1", "candidate", "triage"): 0.0, ("e3", "candidate", "triage"): 1.0}
    assert labels.scores(said, pool="random") == {("e1", "candidate", "triage"): 0.0}


def test_verdicts_beside_peoples_word() -> None:
    """Pairs with a verdict that were drawn by lot, by rollout and candidate; several people's word is their mean."""
    judged = replace(LABEL, q=1.0, candidate_key="k")
    said = [
        judged, replace(judged, by="bob", vote="candidate"), replace(judged, exchange_id="e2", pool="judged", q=0.0),
        replace(judged, exchange_id="e3", pool="disagreements"), replace(judged, exchange_id="e4", pool="chosen"),
        replace(judged, exchange_id="e5", vote="skipped"), replace(judged, exchange_id="e6", q=None),
        replace(judged, exchange_id="e7", candidate_key="other"), replace(judged, exchange_id="e8", route="more"),
    ]  # fmt: skip
    assert labels.judged(said) == {
        ("triage", "k"): [(1.0, 0.0), (0.0, -1.0)], ("triage", "other"): [(1.0, -1.0)], ("more", "k"): [(1.0, -1.0)],
    }  # fmt: skip
