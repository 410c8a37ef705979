"""The whole loop in one process: journals in, weights out, with time as an argument."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.control.events.join import PATIENCE_S
from gateway.control.journals.follower import Journals
from gateway.control.leader.evidence_files import EvidenceFile
from gateway.control.leader.persistence import read_rollout
from gateway.control.state.port import QueuedOrder, StateDownError
from gateway.control.state.sqlite import SqliteState
from policies import explain
from policies.rollout import Rollout
from shadow.plan import read as read_plan
from tests.faults.loop_kills import SEAMS, Seam, survive
from tests.rooms.loop_room import POLICY, Candidate, Room

SLOW = POLICY.replace("- shadow: {min_units: 20, days: 0}", "- shadow: {min_units: 20000, days: 0}")
"""It stays in the shadow, whatever comes."""


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    found = Room(tmp_path)
    found.policy()
    yield found
    found.close()


def rollout(room: Room) -> Rollout:
    state = SqliteState(room.root / "state.db")
    found = read_rollout(state.rollouts()["triage"]).rollout
    state.close()
    return found


def order(room: Room, verb: str, number: int = 1) -> None:
    state = SqliteState(room.root / "state.db")
    state.order(msgspec.convert({"id": f"o{number}", "route": "triage", "verb": verb, "by": "ada", "reason": "I say so",
                                 "at": room.now}, QueuedOrder))  # fmt: skip
    state.close()


def climb(room: Room, controller, to_ppm: int, *, at_most_s: float = 200.0) -> list[int]:
    """Let traffic flow until the table says so. Returns the weights on the way."""
    weights = [room.weight_ppm()]
    for _ in range(int(at_most_s)):
        if weights[-1] == to_ppm:
            return weights
        room.live(controller, seconds=1.0)
        if room.weight_ppm() != weights[-1]:
            weights.append(room.weight_ppm())
    raise AssertionError(f"still at {weights[-1]}: {controller.leader.shown}")


def test_a_good_candidate_climbs_and_a_bad_turn_throws_it_out(room: Room) -> None:
    """By evidence alone from 0 to the ladder's end; then errors, and the weight is 0 within seconds, all explained;
    tried beside the baseline it still fails, and is rolled back.
    """
    controller = room.controller()
    controller.tick(room.now)
    assert climb(room, controller, 980_000) == [0, 100_000, 500_000, 980_000]
    room.candidate = Candidate(fails=lambda _: True)
    began, served = room.now, len(room.served)
    climb(room, controller, 0, at_most_s=10.0)
    assert room.now - began <= 3.0
    assert len(room.served) - served <= 60
    assert (rollout(room).phase, rollout(room).stage) == ("suspended", 3)
    for _ in range(180):
        if rollout(room).phase == "rolled_back":
            break
        room.live(controller, seconds=1.0)
        assert room.weight_ppm() == 0
    assert rollout(room).phase == "rolled_back"
    plan = read_plan(room.root / "run" / "shadow.json")
    assert plan is not None
    assert plan.routes == ()
    files = sorted((room.root / "evidence" / "triage").glob("*.json"))
    kept = [msgspec.json.decode(path.read_bytes(), type=EvidenceFile) for path in files]
    moves = [each.move for each in kept if each.rule != "revision"]
    assert moves == ["advance", "advance", "advance", "suspend", "roll_back"]
    for each in kept:
        record = explain.decode(bytes(each.record))
        assert explain.replay(record) == record.decision
    assert "ROLLBACK" in files[-1].with_suffix(".md").read_text()


def test_a_blip_costs_minutes_and_rebuilds_to_what_was_kept(room: Room) -> None:
    """It fails for a second: suspended, tried on 200 mirrored requests, and back with the counts it had."""
    controller = room.controller()
    controller.tick(room.now)
    climb(room, controller, 500_000)
    room.live(controller, seconds=5.0)
    counted = controller.leader.evaluations["triage"].evidence.count("requests")
    room.candidate = Candidate(fails=lambda _: True)
    climb(room, controller, 0, at_most_s=10.0)
    room.candidate = Candidate()
    began = room.now
    assert climb(room, controller, 500_000, at_most_s=180.0) == [0, 500_000]
    assert room.now - began >= 60.0
    assert (rollout(room).phase, rollout(room).attempt, rollout(room).rollbacks) == ("canary", 1, 0)
    evidence = controller.leader.evaluations["triage"].evidence
    assert evidence.count("requests") > counted
    assert not any(detector.peak > 100 for detector in evidence.detectors.values())


def test_a_cooled_down_rollout_begins_again(room: Room) -> None:
    """After its cooldown a rolled-back candidate starts in the shadow as a new attempt, with no evidence."""
    controller = room.controller()
    controller.tick(room.now)
    climb(room, controller, 100_000)
    order(room, "rollback")
    climb(room, controller, 0, at_most_s=2.0)
    for _ in range(80):
        room.now += 1.0
        controller.tick(room.now)
        if rollout(room).phase == "shadow":
            break
    assert (rollout(room).phase, rollout(room).attempt, rollout(room).rollbacks) == ("shadow", 2, 1)
    assert controller.leader.evaluations["triage"].evidence.count("requests") == 0


def test_a_dead_shadow_holds_and_moves_nothing(room: Room) -> None:
    """What was drawn and never came blocks the ladder; in the canary it rolls nobody back."""
    controller = room.controller()
    controller.tick(room.now)
    climb(room, controller, 100_000)
    room.shadow_alive = False
    room.live(controller, seconds=PATIENCE_S + 60.0, rate=4, step_s=1.0)
    assert room.weight_ppm() == 100_000
    assert controller.leader.evaluations["triage"].evidence.count("dropped") > 100
    assert rollout(room).phase == "canary"


def test_without_a_shadow_nothing_is_promoted(room: Room) -> None:
    """No comparison, no certificate: the shadow stage stays what it is."""
    controller = room.controller()
    room.shadow_alive = False
    controller.tick(room.now)
    room.live(controller, seconds=2 * PATIENCE_S, rate=4, step_s=1.0)
    assert room.weight_ppm() == 0
    assert rollout(room).phase == "shadow"


def test_a_policy_edit_never_raises(room: Room) -> None:
    """Looser gates, another ladder, a new revision: the weight stays or falls, and comes back by evidence only."""
    controller = room.controller()
    controller.tick(room.now)
    climb(room, controller, 500_000)
    for edited, expected in (
        (POLICY.replace("margin: 0.2", "margin: 0.9"), 500_000),
        (POLICY.replace("- 50%: {min_units: 20, hold: 2s, reverse_shadow: 100%}", "- 80%"), 100_000),
        (POLICY, 100_000),
        (POLICY.replace("revision: r1", "revision: r2"), 0),
        (POLICY, 0),
    ):
        room.policy(edited)
        room.now += 0.25
        controller.tick(room.now)
        room.now += 0.25
        controller.tick(room.now)
        assert room.weight_ppm() == expected
    assert rollout(room).phase == "shadow"


def test_operators_are_obeyed_and_answered(room: Room) -> None:
    """Promote, hold, resume and rollback act at the next tick; what makes no sense is refused with the reason."""
    controller = room.controller()
    controller.tick(room.now)
    weights = []
    for number, verb in enumerate(("promote", "hold", "hold", "resume", "rollback", "promote")):
        order(room, verb, number)
        room.now += 0.5
        controller.tick(room.now)
        weights.append(room.weight_ppm())
    state = SqliteState(room.root / "state.db")
    answers = [state.answered(f"o{number}") for number in range(6)]
    assert [answer is not None and answer.taken for answer in answers] == [True, True, False, True, True, False]
    assert weights == [100_000, 100_000, 100_000, 100_000, 0, 0]
    assert state.orders() == []
    decisions = state.decisions("triage", 10)
    assert [each.move for each in decisions][:4] == ["roll_back", "resume", "pause", "advance"]
    assert "ada: I say so" in decisions[0].text
    assert [answer.text for answer in answers if answer is not None and answer.taken] == [
        each.text for each in reversed(decisions[:4])
    ]  # whoever gave the order reads what was done
    state.close()


def test_a_kill_is_taken_back_however_soon(room: Room) -> None:
    """A node that was told to kill and to go on between two looks goes on: it follows each word, not where they led."""
    controller, shared = room.controller(), SqliteState(room.root / "state.db")
    room.stack.callback(shared.close)
    kill = room.root / "KILL"
    controller.tick(room.now)
    kill.touch()  # the node where it was said makes its own file at once
    shared.set_killed(killed=True, by="ada", reason="drill", now=room.now)
    shared.set_killed(killed=False, by="ada", reason="drill", now=room.now + 0.1)
    controller.tick(room.now + 0.2)

    assert not kill.exists()
    shared.set_killed(killed=True, by="ada", reason="drill", now=room.now + 1)
    controller.tick(room.now + 2)
    assert kill.exists()


def test_a_node_says_at_once_that_it_kills(room: Room) -> None:
    """Within a tick of its kill file's coming or going, not when it next says that it lives: `crossfade kill` waits."""
    controller, kill = room.controller(), room.root / "KILL"
    controller.tick(room.now)
    for turn, killed in ((kill.touch, True), (kill.unlink, False)):
        turn()
        room.now += 0.25
        controller.tick(room.now)
        assert [node.killed for node in controller.parts.shared.nodes(room.now)] == [killed]


def test_nothing_said_before_takes_a_kill_file_away(room: Room) -> None:
    """What was told before a controller began may kill, and un-kills nobody: the file may be the node's own."""
    shared = SqliteState(room.root / "state.db")
    room.stack.callback(shared.close)
    kill = room.root / "KILL"
    kill.touch()
    shared.set_killed(killed=False, by="ada", reason="drill", now=room.now)
    controller = room.controller()
    for _ in range(3):
        room.now += 1.0
        controller.tick(room.now)
    assert kill.exists()

    kill.unlink()
    shared.set_killed(killed=True, by="ada", reason="drill", now=room.now)
    room.controller().tick(room.now)
    assert kill.exists()


def test_an_order_for_nobody_is_refused(room: Room) -> None:
    """An order for a route that no policy has is answered, not kept."""
    controller = room.controller()
    state = SqliteState(room.root / "state.db")
    state.order(QueuedOrder("x", "nowhere", "hold", "ada", "?", room.now))
    controller.tick(room.now)
    controller.tick(room.now + 1.0)
    answer = state.answered("x")
    state.close()
    assert answer is not None
    assert not answer.taken
    assert "nowhere" in answer.text


def test_observe_decides_and_moves_nothing(room: Room) -> None:
    """With `mode: observe` the decision is told as always, and the weight stays where it is."""
    room.policy(POLICY + "mode: observe\n")
    controller = room.controller()
    controller.tick(room.now)
    room.live(controller, seconds=30.0)
    assert room.weight_ppm() == 0
    state = SqliteState(room.root / "state.db")
    assert "PROMOTE" in {each.outcome for each in state.decisions("triage", 50)}
    state.close()
    assert rollout(room).phase == "shadow"


def test_late_journals_hold_the_gates(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a node reads more than a minute behind, nothing is concluded."""
    controller = room.controller()
    controller.tick(room.now)
    room.live(controller, seconds=3.0)
    monkeypatch.setattr(Journals, "lag_s", lambda *_: 75.0)
    room.live(controller, seconds=30.0)
    assert room.weight_ppm() == 0
    assert "reads its journals 75 s late" in (controller.leader.shown["triage"].results.fault or "")


class Switched(SqliteState):
    """A shared state that can be away."""

    away = False

    def _open(self):  # type: ignore[no-untyped-def]
        if Switched.away:
            raise StateDownError("away")
        return super()._open()


def test_without_the_shared_state(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traffic stays, policies are published, weights only fall, nobody leads, the lease runs out; then all goes on."""
    room.shared = lambda: Switched(room.root / "state.db")
    controller = room.controller()
    controller.tick(room.now)
    climb(room, controller, 100_000)
    monkeypatch.setattr(Switched, "away", True)
    room.live(controller, seconds=10.0)
    renewed_at = room.table().lease.renewed_at
    assert room.now - renewed_at > 4.0
    assert room.weight_ppm() == 100_000
    room.policy(POLICY.replace("revision: r1", "revision: r2"))
    room.live(controller, seconds=1.0)
    assert room.weight_ppm() == 0
    room.policy()
    room.live(controller, seconds=1.0)
    assert room.weight_ppm() == 0
    assert room.table().lease.renewed_at == renewed_at
    assert controller.reading.outbox.pending > 100
    exposed = room.root / "run" / "controller.prom"
    assert "crossfade_leader 0\n" in exposed.read_text()
    monkeypatch.setattr(Switched, "away", False)
    room.live(controller, seconds=3.0)
    assert controller.reading.outbox.pending == 0
    assert "crossfade_leader 1\n" in exposed.read_text()
    assert room.table().lease.renewed_at > renewed_at
    assert room.weight_ppm() in (0, 100_000)
    assert '"state.away"' in room.log.getvalue()


def test_down_at_boot(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """A controller starts without the shared state: a table without a lease, weight 0; it joins later."""
    room.shared = lambda: Switched(room.root / "state.db")
    monkeypatch.setattr(Switched, "away", True)
    controller = room.controller()
    assert controller.tick(room.now)
    assert (room.weight_ppm(), room.table().lease.renewed_at) == (0, 0.0)
    monkeypatch.setattr(Switched, "away", False)
    room.now += 2.0
    controller.tick(room.now)
    assert room.table().lease.renewed_at == room.now


# Kills ------------------------------------------------------------------------------------------------------------


def traffic(room: Room) -> Callable[[Callable[[], None]], None]:
    """Some conversations, an operator's promotion, and more conversations."""

    def script(tick: Callable[[], None]) -> None:
        tick()
        for second in range(16):
            for turn in range(3):
                room.ask(f"{second:08x}{turn:08x}")
            room.now += 1.0
            tick()
            if second == 7:
                order(room, "promote")
        for _ in range(4):
            room.now += 3.0
            tick()

    return script


def outcome(room: Room) -> dict[str, object]:
    """What must be the same, whatever was killed when."""
    controller = room.controller()
    for _ in range(3):
        room.now += 1.0
        controller.tick(room.now)
    ours = controller.leader.evaluations["triage"]
    state = SqliteState(room.root / "state.db")
    ids = [each.id for each in state.decisions("triage", 100) if each.move != "hold"]
    answer = state.answered("o1")
    state.close()
    evidence = ours.evidence
    return {
        "stage": (ours.rollout.phase, ours.rollout.stage, ours.rollout.attempt),
        "weight": room.weight_ppm(),
        "moves": len(ids), "answered": answer is not None and answer.taken,
        "requests": evidence.requests, "histograms": evidence.histograms, "counts": evidence.counts,
        "detectors": evidence.detectors, "seq": ours.seq, "elsewhere": evidence.key,
    }  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    room = Room(tmp_path_factory.mktemp("undisturbed"))
    room.policy(SLOW)
    assert survive(room, traffic(room)) == 0
    found = outcome(room)
    room.close()
    assert found["seq"] == 48 + 1, "what was observed, and the end of a stage"
    assert found["weight"] == 100_000
    return found


@pytest.mark.parametrize("side", ["before", "behind"])
@pytest.mark.parametrize("where", SEAMS, ids=[f"{owner.__name__.rpartition('.')[2]}.{name}" for owner, name in SEAMS])
def test_a_kill_anywhere_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: dict[str, object], where: tuple[object, str],
    side: str,
) -> None:  # fmt: skip
    """Killed at a seam and begun again: the same evidence, in the same order, the same moves, each decided once."""
    for crossing in (1, 2, 9):
        room = Room(tmp_path / str(crossing))
        room.policy(SLOW)
        with Seam(where, behind=side == "behind", crossing=crossing).cut(monkeypatch):
            killed = survive(room, traffic(room))
        found = outcome(room)
        room.close()
        assert found == undisturbed, (crossing, killed)
        assert killed or crossing > 1
