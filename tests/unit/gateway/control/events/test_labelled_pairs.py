"""What a node tells of its people's labels."""

from dataclasses import replace
from pathlib import Path

from gateway.control.events.join import LabelReport
from gateway.control.events.labelled_pairs import LabelledPairs
from gateway.node import labels
from gateway.node.database import connect
from gateway.node.labels import PairLabel
from policies.evidence import EvidenceKey

LABEL = PairLabel("e1", "candidate", "ada", "triage", "random", "baseline", (), 1.0, "k1", 1.0)
KEY = EvidenceKey("triage", "k1", 1, 0)


def test_votes_are_told_of_the_candidate_they_are_on(tmp_path: Path) -> None:
    """All there are at each look: given, changed and taken back; another candidate's are its own."""
    with labels.opened(tmp_path / "state.db") as theirs:
        found = LabelledPairs(connect(tmp_path / "state.db"))
        found.look()
        assert found.of(KEY) == LabelReport("k1", {})
        labels.keep(theirs, LABEL)
        labels.keep(theirs, replace(LABEL, exchange_id="e2", candidate_key="k2", q=0.0))
        found.look()
        assert found.of(KEY) == LabelReport("k1", {200: 1})
        assert found.of(replace(KEY, candidate="k2", weight_ppm=50_000)) == LabelReport("k2", {100: 1})
        assert found.of(replace(KEY, route="other")).gaps == {}
        labels.keep(theirs, replace(LABEL, vote="candidate"))
        found.look()
        assert found.of(KEY).gaps == {0: 1}
        labels.forget(theirs, LABEL)
        found.look()
        assert found.of(KEY).gaps == {}
        found.state.close()
