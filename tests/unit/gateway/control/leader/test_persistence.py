"""A leader's work as the shared state keeps it: there and back, and what damage does."""

import zlib
from dataclasses import replace
from uuid import UUID

import msgspec
import numpy as np
import pytest

import policies.evidence
from gateway.control.events.join import LabelReport
from gateway.control.leader import persistence as keeping
from gateway.control.leader.evaluation import Evaluation, NodeReport
from gateway.control.state.port import MAX_SNAPSHOT_BYTES, Decided, Snapshot, StateDownError, Stored
from policies.baseline_times import BaselineTimes
from policies.events import Output, PairEvent
from policies.evidence import MOST
from policies.liveness import AssignedOutcome, ServiceReport
from policies.results import Results
from policies.review import key_of
from policies.rollout import Rollout, revise, start, step
from policies.rules import Held
from policies.terms import Move, Owner, Phase
from tests.rooms.pair_events import RULES, evidence, pair

NOW = 1_800_000_000.0
SHADOW = start(RULES)
ROLLOUT = replace(SHADOW, stage=1, phase=Phase.CANARY, attempt=3, seen_at=NOW, held=Held(quality=-0.01))
DECIDED = Decided("d1", NOW, "triage", "advance", "PROMOTE", "ROUTE triage", b'{"version":"1"}')
DAMAGE = [b"", b"{", b'{"route":1}', b"\xff\x00", b'{"route":"\xff"}']


def stored(data: bytes) -> Stored:
    return Stored(1, 1, 0, data, NOW, "n1")


def evaluation() -> Evaluation:
    """Ten units seen, nine of them closed, one still open."""
    found = Evaluation(RULES, SHADOW, 1, evidence(), {"n1": 12, "n2": 5}, 10, {"n1": NodeReport(NOW, 8.0, 1.5)})
    for number in range(10):
        found.evidence.observe(pair(f"u{number}", float(number)))
    found.evidence.advance(RULES.units.close_after_s + 8.5)
    return found


def resumed(kept: Snapshot | None, rollout: Rollout = SHADOW) -> Evaluation:
    return keeping.evaluation(RULES, rollout, 7, kept, NOW + 60)


@pytest.mark.parametrize("decided", [DECIDED, None])
def test_a_rollout_comes_back_as_it_was(decided: Decided | None) -> None:
    """With every field, its last decision and its last order."""
    found = keeping.read_rollout(stored(keeping.rollout_bytes(ROLLOUT, decided, "o1")))
    assert found == keeping.StoredRollout(ROLLOUT, decided, "o1")


def test_a_rollout_of_before_suspensions_rolls_back_until_its_policy_is_read() -> None:
    """Kept without any of their fields it is as it was; the policy of now switches them on, at the same stage."""
    fields = msgspec.json.decode(keeping.rollout_bytes(ROLLOUT, None))
    for name in ("suspended_ago_s", "was_paused"):
        del fields[name]
    for name in ("trial", "trial_s", "calm_s", "suspensions"):
        del fields["settings"][name]
    del fields["held"]["watch"]
    found = keeping.read_rollout(stored(msgspec.json.encode(fields))).rollout
    assert found == ROLLOUT
    ill = Results(unhealthy="nobody answers")
    assert step(found, ill, now=NOW + 1).move is Move.ROLL_BACK
    today = revise(found, replace(RULES, rollback=replace(RULES.rollback, trial=200)), now=NOW + 1).rollout
    assert (today.phase, today.stage, step(today, ill, now=NOW + 2).move) == (found.phase, found.stage, Move.SUSPEND)


@pytest.mark.parametrize("data", [*DAMAGE, keeping.rollout_bytes(ROLLOUT, DECIDED)[:-9]])
def test_a_damaged_rollout_is_no_guess(data: bytes) -> None:
    """Bytes that are no rollout of this version raise the shared state's error, with a hint."""
    with pytest.raises(StateDownError, match=r"damaged, or of another version.*hint: "):
        keeping.read_rollout(stored(data))


def test_all_that_may_be_held_fits_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    """The most open requests and different answers, with all their figures, are within both bounds, and come back.

    A tenth of the most is held: a snapshot grows by the same bytes with each request, packed (in windows of 32 KiB)
    and not, so ten times as much is what the most would take.
    """
    most = MOST // 10
    monkeypatch.setattr(policies.evidence, "MOST", most)
    draw, found = np.random.default_rng(1), evaluation()
    names = [f"{kind}_s" for kind in ("ttft_candidate", "ttft_baseline", "total_candidate", "total_baseline")]
    names += ["cost_candidate_usd", "cost_baseline_usd", "q", "agree", "agree_again"]
    for number, figures in enumerate(draw.random((most - found.evidence.held, len(names))).tolist()):
        ours, theirs = (Output(draw.bytes(8).hex(), 400 + number % 99) for _ in range(2))
        unit, name = draw.bytes(8).hex(), str(UUID(bytes=draw.bytes(16)))
        told = dict(zip(names, figures, strict=True)) | {"output_candidate": ours, "output_baseline": theirs}
        asked = {"error_candidate": False, "error_baseline": False}
        found.evidence.observe(PairEvent(unit, NOW + figures[0], name, **told, **asked))
    kept = keeping.pack(found)
    assert found.evidence.held == most
    assert len(found.evidence.outputs_candidate) > most * 0.99
    assert len(kept.evidence) * 10 < MAX_SNAPSHOT_BYTES
    assert len(zlib.decompress(kept.evidence)) * 10 < keeping.PAGE_BYTES
    assert resumed(kept).evidence == found.evidence
    found.evidence.observe(PairEvent("one more", NOW, "one more"))
    assert (found.evidence.held, found.evidence.count("lost")) == (most, 1)


def test_evidence_goes_on_as_if_nobody_had_stopped() -> None:
    """Counts, open units, positions, the order's number and the rules come back; nodes count as heard just now."""
    before = evaluation()
    before.closed_at = NOW - 3.0
    after = resumed(keeping.pack(before))
    assert (after.evidence, after.closed_at) == (before.evidence, NOW - 3.0)
    assert (after.evidence.count("units"), list(after.evidence.open)) == (9, ["u9"])
    assert (after.positions, after.seq, after.rules, after.version) == ({"n1": 12, "n2": 5}, 10, RULES, 7)
    assert after.heard == {"n1": NodeReport(NOW + 60, 8.0, 1.5)}


def test_what_people_say_outlives_a_leader() -> None:
    """Whoever leads next knows each node's labels, before the node has told them again."""
    before = evaluation()
    before.heard["n2"] = NodeReport(NOW, None, labels=LabelReport("k", {0: 3, -100: 1}))
    assert resumed(keeping.pack(before)).heard["n2"].labels == LabelReport("k", {0: 3, -100: 1})


def test_evidence_of_another_stage_comes_back_whole() -> None:
    """Where the rollout has moved since, its leader first notes where it left; then counts begin at zero."""
    before = evaluation()
    before.evidence.recent = before.evidence.recent.after(failed=True)
    moved = replace(SHADOW, stage=1, phase=Phase.CANARY)
    after = resumed(keeping.pack(before), moved)
    assert (after.evidence, after.rollout) == (before.evidence, moved)
    assert after.leave(NOW, 2).watermark == before.evidence.watermark_at
    after.stand(moved)
    assert (after.evidence.key, after.evidence.counts, after.evidence.open) == (key_of(moved), {}, {})
    assert after.evidence.recent == before.evidence.recent
    assert (after.positions, after.seq) == ({"n1": 12, "n2": 5}, 11)


def test_evidence_is_judged_by_the_rules_it_was_gathered_under() -> None:
    """A policy edited meanwhile does not reach back: the leader has yet to take the edit."""
    edited = replace(RULES, gates=replace(RULES.gates, latency=None))
    after = keeping.evaluation(edited, SHADOW, 7, keeping.pack(evaluation()), NOW)
    assert after.rules == after.evidence.rules == RULES


def test_nothing_was_kept() -> None:
    """A leader that finds no snapshot begins with nothing."""
    after = resumed(None)
    assert (after.evidence.counts, after.positions, after.seq, after.heard) == ({}, {}, 0, {})


@pytest.mark.parametrize(
    "data",
    [
        *DAMAGE,
        *(zlib.compress(each) for each in DAMAGE),
        keeping.pack(evaluation()).evidence[:-20],
        zlib.compress(zlib.decompress(keeping.pack(evaluation()).evidence).replace(b'"triage"', b'"other"', 1)),
    ],
)
def test_a_damaged_snapshot_is_none(data: bytes) -> None:
    """It gives no evidence, never half of it; positions stand, so that nothing is counted twice."""
    kept = Snapshot(data, {"n1": 12}, 10)
    assert keeping.unpack(kept) is None
    after = resumed(kept)
    assert (after.evidence.counts, after.positions, after.seq) == ({}, {"n1": 12}, 10)


def test_a_snapshot_may_not_unfold_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond its bound a snapshot is not read: a few bytes cannot fill the memory."""
    kept = keeping.pack(evaluation())
    assert keeping.unpack(kept) is not None
    monkeypatch.setattr(keeping, "PAGE_BYTES", 100)
    assert keeping.unpack(kept) is None


def test_who_serves_outlives_its_leader() -> None:
    """Another leader goes on from the same liveness and the baseline's times; another attempt begins afresh."""
    before = evaluation()
    before.liveness = before.liveness.of(SHADOW.key.digest, 1)
    report = ServiceReport(NOW, Owner.CANDIDATE, AssignedOutcome.FAILED, "breaker")
    for _ in range(5):
        before.liveness = before.liveness.after(report, tolerance=0.02, arl=1e4, patience_s=2.0)
    before.baseline.observe(0.5, 1.0, is_stream=True)
    after = resumed(keeping.pack(before), replace(SHADOW, stage=1, phase=Phase.CANARY, epoch=2))
    assert after.liveness == before.liveness
    assert after.liveness.unhealthy()
    assert after.baseline == before.baseline
    again = resumed(keeping.pack(before), replace(SHADOW, attempt=2))
    assert (again.liveness.unhealthy(), again.baseline) == (None, before.baseline)


def test_a_snapshot_from_before_is_read_as_empty() -> None:
    """One that an earlier version kept tells nothing of who serves, and all of its evidence."""
    page = keeping.pack(evaluation())
    fields = msgspec.json.decode(zlib.decompress(page.evidence))
    del fields["liveness"], fields["baseline"], fields["closed_at"]
    old = msgspec.structs.replace(page, evidence=zlib.compress(msgspec.json.encode(fields)))
    found = resumed(old)
    assert found.evidence.count("units") == 9
    assert (found.liveness.unhealthy(), found.baseline, found.closed_at) == (None, BaselineTimes(), None)
    rollout = msgspec.json.decode(keeping.rollout_bytes(SHADOW, None))
    del rollout["baseline_p99"]
    assert keeping.read_rollout(stored(msgspec.json.encode(rollout))).rollout == SHADOW
