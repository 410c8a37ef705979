"""Telling of what the leader counted and decided: the shared state, the records, evidence files, webhooks.

Every telling may be repeated by whoever leads next: ids are made of what is told, so that twice is once.
"""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import msgspec

from gateway.control.leader import evidence_files
from gateway.control.leader.webhooks import Notifier
from gateway.control.publish.policy_terms import PolicyTerms
from gateway.control.state.port import MAX_BYTES, Decided, QueuedOrder, SharedState
from gateway.log import Log
from gateway.node.plain_error import disk_hint
from policies import explain
from policies.evidence import Evidence
from policies.explain import DecisionRecord
from policies.review import Conditions
from policies.rollout import Decision
from policies.rules import Rules
from policies.terms import Move, Verb
from records.comparison import DecisionRow, Observation
from records.exchange import Note

SEEN_NOTHING = Conditions()


@dataclass(frozen=True, slots=True)
class Announcement:
    """A decision, and what it was made of."""

    decision: Decision
    version: int
    """Of the rollout it made."""
    evidence: Evidence | None = None
    """Closed; None where there is no need to make the decision again."""
    seen: Conditions = SEEN_NOTHING
    order: QueuedOrder | None = None
    revised: Rules | None = None
    """The edited policy's, where an edit decided."""


class Journal(Protocol):
    """Where rows go on their way into the records."""

    def note(self, note: Note) -> bool:
        """Keep a row; False: it is lost, and counted."""
        ...

    def rotate_older_than(self, created_before: float) -> object:
        """End a segment that was begun before, so that it can be removed once recorded."""
        ...


@dataclass(slots=True)
class Announcer:
    """Announces the leader's decisions: log, records, webhooks."""

    code_version: str
    journal: Journal
    """The controller's own."""
    folder: Path
    """Of evidence files."""
    notifier: Notifier
    log: Log
    counts: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])
    """Decisions that moved something, by route and outcome."""

    def observed(self, row: Observation) -> None:
        """An event was counted."""
        self._note("observations", row)

    def decided(self, telling: Announcement) -> Decided:
        """A decision as people read it."""
        decision = telling.decision
        return Decided(
            decision_id(decision, telling.version), decision.at, decision.before.route, str(decision.move),
            str(decision.outcome), explain.text(decision), explain.encode(self._record(telling)),
        )  # fmt: skip

    def tell(self, telling: Announcement, terms: PolicyTerms, shared: SharedState) -> None:
        """Tell of a decision.

        Raises:
            StateDownError: the shared state does not take it; whoever leads next tells it again.
        """
        decision, whole = telling.decision, self.decided(telling)
        if decision.move is not Move.HOLD or decision.rule == "revision":
            key = (decision.before.route, str(decision.outcome))
            self.counts[key] = self.counts.get(key, 0) + 1
            self._file(whole, decision, terms)
            self.notifier.offer(whole, terms.webhooks)
        self._note("decisions", _row(decision, whole, telling.version))
        fits = len(whole.record) < MAX_BYTES
        shared.add_decision(whole if fits else self.decided(replace(telling, evidence=None)))

    def retell(self, decided: Decided, terms: PolicyTerms, shared: SharedState) -> None:
        """Tell of a decision whose maker died before it was told.

        Raises:
            StateDownError: the shared state does not take it; whoever leads next tells it again.
        """
        try:
            decision = explain.decode(decided.record).decision
        except explain.RecordError:
            return  # of a version that is gone
        self._file(decided, decision, terms)
        self.notifier.offer(decided, terms.webhooks)
        self._note("decisions", _row(decision, decided, 0))
        shared.add_decision(decided)

    def _record(self, telling: Announcement) -> DecisionRecord:
        given = telling.order
        order = None if given is None else explain.GivenOrder(Verb(given.verb), given.by, given.reason)
        return DecisionRecord(
            self.code_version, telling.decision, telling.seen, telling.evidence, order, revised=telling.revised
        )

    def _file(self, decided: Decided, decision: Decision, terms: PolicyTerms) -> None:
        try:
            evidence_files.write(self.folder, decided, decision, terms.policy_sha256)
        except OSError as error:
            self.log.alarm("evidence_file.not_written", reason=str(error.strerror), hint=disk_hint(error))

    def _note(self, table: str, row: Observation | DecisionRow) -> None:
        data = msgspec.msgpack.encode(row)
        made = Note("observations" if table == "observations" else "decisions", data)
        self.journal.note(made)  # what it does not take it counts


def decision_id(decision: Decision, version: int) -> str:
    """A UUIDv7's text, the same whoever tells of the decision."""
    told = f"{decision.before.route}\n{version}\n{decision.at!r}\n{decision.rule}\n{decision.move}"
    rest = int.from_bytes(hashlib.sha256(told.encode()).digest()[:10], "big")
    at_ms = max(0, int(decision.at * 1000)) & ((1 << 48) - 1)
    number = at_ms << 80 | 0x7 << 76 | (rest >> 68 & 0xFFF) << 64 | 0b10 << 62 | (rest & ((1 << 62) - 1))
    text = number.to_bytes(16, "big").hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _row(decision: Decision, decided: Decided, version: int) -> DecisionRow:
    return DecisionRow(
        decision_id=decided.id, decided_us=int(decision.at * 1e6), route=decided.route,
        candidate_key=decision.rollout.key.digest, move=decided.move, outcome=decided.outcome, rule=decision.rule,
        reason=decision.reason, by=decision.by, from_stage=explain.where(decision.before),
        to_stage=explain.where(decision.rollout), weight_ppm=decision.rollout.weight_ppm, version=version,
        record_json=decided.record.decode(),
    )  # fmt: skip
