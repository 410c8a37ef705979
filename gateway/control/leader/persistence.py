"""How a leader's work is kept in the shared state: a rollout with its last decision, evidence with its positions."""

import zlib
from dataclasses import dataclass

import msgspec

from gateway.control.leader.evaluation import Evaluation, NodeReport
from gateway.control.state.port import MAX_OFFERED, UNREADABLE, Decided, Snapshot, StateDamagedError, Stored
from policies import evidence_codec as snapshot
from policies.baseline_times import BaselineTimes
from policies.evidence import Evidence
from policies.liveness import Liveness
from policies.review import key_of
from policies.rollout import Rollout
from policies.rules import Rules

PAGE_BYTES = 256 * 1024 * 1024
"""The most that a snapshot may unfold to."""


SNAPSHOT_S = 5.0
SNAPSHOT_EVENTS = 2000
"""Evidence is kept after so many seconds, or events."""
MANY_EVENTS = MAX_OFFERED // 2
"""It is kept after so many, however large it is: what is not in a snapshot yet waits in the shared state."""
IDLE_SNAPSHOT_S = 60.0
"""How often positions are kept where nothing but marks has come."""
BYTES_PER_S = 200_000
"""A large snapshot is kept less often: what it takes to write is spread over this rate."""


class _Last(msgspec.Struct):
    """What stands beside the rollout's own fields: its last decision, should its writer die before it is told."""

    decided: Decided | None = None
    order: str = ""
    """The last order that was obeyed, should its writer die before it is answered: nobody obeys twice."""
    history: str = ""
    """The id of the decision that began it; empty: a version began it that noted none."""


class _PackedEvaluation(msgspec.Struct, frozen=True):
    evidence: msgspec.Raw
    heard: dict[str, NodeReport]
    rules: Rules
    """By which the evidence was gathered."""
    liveness: Liveness = Liveness()
    """Empty in what versions kept that knew none."""
    baseline: BaselineTimes = msgspec.field(default_factory=BaselineTimes)
    """Likewise."""
    closed_at: float | None = None
    """Likewise: when what was over was closed last."""


@dataclass(frozen=True, slots=True)
class StoredRollout:
    """A rollout as it was kept."""

    rollout: Rollout
    decided: Decided | None
    order: str
    history: str = ""


def rollout_bytes(rollout: Rollout, decided: Decided | None, order: str = "", history: str = "") -> bytes:
    """JSON of the rollout, its last decision and order beside it."""
    fields = msgspec.to_builtins(rollout, builtin_types=(bytes,))
    return msgspec.json.encode({**fields, "decided": decided, "order": order, "history": history})


def read_rollout(stored: Stored) -> StoredRollout:
    """What was kept.

    Raises:
        StateDamagedError: it is not of this version, or damaged.
    """
    if stored == UNREADABLE:
        raise StateDamagedError("a rollout's record is torn, sealed with another key, or of another version")
    try:
        rollout = msgspec.json.decode(stored.rollout, type=Rollout)
        last = msgspec.json.decode(stored.rollout, type=_Last)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StateDamagedError(
            f"a rollout is damaged, or of another version: {error}. hint: does every node run the same version?"
        ) from error
    return StoredRollout(rollout, last.decided, last.order, last.history)


def pack(evaluation: Evaluation) -> Snapshot:
    """The evidence, and how far each node's events are in it."""
    kept = _PackedEvaluation(
        msgspec.Raw(snapshot.encode(evaluation.evidence)), evaluation.heard, evaluation.rules, evaluation.liveness,
        evaluation.baseline, evaluation.closed_at,
    )  # fmt: skip
    return Snapshot(zlib.compress(msgspec.json.encode(kept), 1), dict(evaluation.positions), evaluation.seq)


@dataclass(frozen=True, slots=True)
class UnpackedEvaluation:
    """A snapshot, read."""

    evidence: Evidence
    rules: Rules
    """By which it was gathered."""
    heard: dict[str, NodeReport]
    liveness: Liveness
    baseline: BaselineTimes
    closed_at: float | None


def unpack(kept: Snapshot) -> UnpackedEvaluation | None:
    """What a snapshot holds; None: it cannot be read, and `crossfade rebuild` makes it again."""
    try:
        read = msgspec.json.decode(zlib.decompressobj().decompress(kept.evidence, PAGE_BYTES), type=_PackedEvaluation)
        evidence = snapshot.decode(bytes(read.evidence), read.rules)
        return UnpackedEvaluation(evidence, read.rules, read.heard, read.liveness, read.baseline, read.closed_at)
    except (zlib.error, msgspec.MsgspecError, snapshot.SnapshotError, UnicodeDecodeError):
        return None


def evaluation(rules: Rules, rollout: Rollout, version: int, kept: Snapshot | None, now: float) -> Evaluation:
    """Go on from what was kept, under the rules it was gathered by. It may be of a stage that the rollout has left."""
    found = Evaluation(rules, rollout, version, Evidence(key_of(rollout), rules))
    if kept is None:
        return found
    found.positions, found.seq = dict(kept.positions), kept.seq
    read = unpack(kept)
    if read is None:
        return found
    found.heard = {name: msgspec.structs.replace(heard, at=now) for name, heard in read.heard.items()}
    found.liveness = read.liveness.of(rollout.key.digest, rollout.attempt, rollout.held.watch)
    if read.rules.key.baseline == rollout.key.baseline:
        found.baseline = read.baseline
    found.evidence, found.rules, found.closed_at = read.evidence, read.rules, read.closed_at
    return found


def keep_after_s(fresh: int, kept_bytes: int) -> float:
    """How long after a snapshot of so many bytes the next is due, when so many events have come since."""
    if fresh >= MANY_EVENTS:
        return 0.0
    soon_s = 0.0 if fresh >= SNAPSHOT_EVENTS else SNAPSHOT_S if fresh else IDLE_SNAPSHOT_S
    return max(soon_s, kept_bytes / BYTES_PER_S)
