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
    assert labels.scores(said) == {("e1", "candidate"): 0.0, ("e3", "candidate"): 1.0}
    assert labels.scores(said, pool="random") == {("e1", "candidate"): 0.0}


def test_a_table_of_before_gets_the_columns_it_lacks(tmp_path: Path) -> None:
    """Votes of before stay, held against no judge; later ones are."""
    with database.opened(tmp_path / "state.db") as state:
        state.execute(
            "CREATE TABLE labels (exchange_id TEXT NOT NULL, asked TEXT NOT NULL, by TEXT NOT NULL, route TEXT NOT "
            "NULL, pool TEXT NOT NULL, vote TEXT NOT NULL, tags TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY "
            "(exchange_id, asked, by)) STRICT"
        )
        state.execute("INSERT INTO labels VALUES ('e1', 'candidate', 'ada', 'triage', 'random', 'equal', '[]', 1.0)")
    with labels.opened(tmp_path / "state.db") as state:
        labels.keep(state, replace(LABEL, exchange_id="e2", at=2.0, candidate_key="k", q=0.5))
        found = labels.stored(state)
        assert [(each.exchange_id, each.candidate_key, each.q) for each in found] == [
            ("e2", "k", 0.5),
            ("e1", "", None),
        ]
        assert labels.judged(found) == {("triage", "k"): [(0.5, -1.0)]}


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
