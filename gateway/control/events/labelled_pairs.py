"""What people on this node say of pairs beside what whoever scores says: for the leader, told anew with each mark.

A mark is told all there is, and not what changed: votes are changed and taken back, and a shared state may forget.
"""

import sqlite3
from dataclasses import dataclass, field

from gateway.control.events.join import LabelReport
from gateway.node import labels
from policies import judge_bias
from policies.evidence import EvidenceKey
from policies.histograms import Histogram

_LAST = "SELECT max(seq) FROM audit"
"""Each vote, changed or taken back, stands in the audit log: while it has no news, neither have labels."""


@dataclass(slots=True)
class LabelledPairs:
    """Reads votes when there are new ones."""

    state: sqlite3.Connection
    """The node's own."""
    _seen: int | None = field(default=None, init=False)
    """The audit log's last entry when votes were last read; None: they never were."""
    _gaps: dict[tuple[str, str], Histogram] = field(default_factory=dict[tuple[str, str], Histogram], init=False)
    """By rollout and candidate."""

    def look(self) -> None:
        """Read votes if somebody gave, changed or took back any.

        Raises:
            sqlite3.Error: the state cannot be used.
        """
        if self._seen is None:
            labels.prepare(self.state)
        last = int(self.state.execute(_LAST).fetchone()[0] or 0)
        if last != self._seen:
            said = labels.judged(labels.stored(self.state))
            self._gaps = {of: judge_bias.gaps(pairs) for of, pairs in said.items()}
            self._seen = last

    def of(self, key: EvidenceKey) -> LabelReport:
        """What is known of one candidate."""
        return LabelReport(key.candidate, self._gaps.get((key.route, key.candidate), {}))
