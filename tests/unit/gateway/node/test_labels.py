"""Votes on pairs in this node's state."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.node import database, labels
from gateway.node.database import StateError
from gateway.node.labels import PairLabel

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
    """The state that keys and audit are in opens as before; one in ruins says so."""
    with labels.opened(tmp_path / "state.db") as state:
        labels.keep(state, LABEL)
    with database.opened(tmp_path / "state.db") as state:
        assert database.read_audit(state) == []
    (tmp_path / "broken.db").write_bytes(b"no database" * 100)
    with pytest.raises(StateError, match="hint"), labels.opened(tmp_path / "broken.db"):
        pass
