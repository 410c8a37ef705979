"""Several candidates of one route, in the whole loop: all are compared in the shadow, one goes on, the others rest."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.control.controller.process import Controller
from gateway.control.leader.evidence_files import EvidenceFile
from gateway.control.leader.persistence import read_rollout
from gateway.control.operations.standings import standings
from gateway.control.state.port import QueuedOrder
from gateway.control.state.sqlite import SqliteState
from policies import explain
from policies.rollout import Rollout
from shadow.plan import read as read_plan
from tests.rooms.loop_room import POLICY, Candidate, Room

THREE = POLICY.replace(
    "candidate: {upstream: vllm, model: triage-7b, revision: r1}",
    """candidates:
  - {name: small, upstream: vllm, model: triage-3b, revision: r1}
  - {name: tuned, upstream: vllm, model: triage-7b, revision: r1}
  - {name: short, upstream: vllm, model: triage-7b, revision: r1, set: {max_tokens: 100}}""",
)
NAMES = ("triage@small", "triage@tuned", "triage@short")


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    found = Room(tmp_path)
    found.policy(THREE)
    found.candidates = dict(zip(NAMES, (Candidate(q=0.05), Candidate(q=0.1), Candidate(q=-0.6)), strict=True))
    yield found
    found.close()


def rollouts(room: Room) -> dict[str, Rollout]:
    state = SqliteState(room.root / "state.db")
    found = {name: read_rollout(kept).rollout for name, kept in state.rollouts().items()}
    state.close()
    return found


def order(room: Room, verb: str, route: str, name: str = "o1") -> None:
    state = SqliteState(room.root / "state.db")
    told = {"id": name, "route": route, "verb": verb, "by": "ada", "reason": "I say so", "at": room.now}
    state.order(msgspec.convert(told, QueuedOrder))
    state.close()


def until(room: Room, controller: Controller, weight_ppm: int, *, at_most_s: int = 120) -> None:
    for _ in range(at_most_s):
        if room.weight_ppm() == weight_ppm:
            return
        room.live(controller, seconds=1.0)
    raise AssertionError(f"still at {room.weight_ppm()}: {controller.leader.shown}")


def asked(room: Room) -> set[str]:
    plan = read_plan(room.root / "run" / "shadow.json")
    return set() if plan is None else {route.route for route in plan.routes}


def test_all_are_compared_and_the_best_goes_on(room: Room) -> None:
    """The certified one with the best mean climbs to the ladder's end, alone; the others keep what was counted."""
    controller = room.controller()
    controller.tick(room.now)
    room.live(controller, seconds=2.0)
    assert asked(room) == set(NAMES)
    assert room.weight_ppm() == 0
    until(room, controller, 100_000)

    found = rollouts(room)
    assert {name for name, each in found.items() if each.weight_ppm} == {"triage@tuned"}
    assert room.table().routes[0].candidate.model == "triage-7b"
    assert len(room.table().routes) == 1
    units = {name: each.evidence.count("units") for name, each in controller.leader.evaluations.items()}
    assert units["triage@small"] >= 20
    until(room, controller, 980_000)
    assert asked(room) == {"triage@tuned"}
    after = controller.leader.evaluations
    assert {name: after[name].evidence.count("units") for name in NAMES if name != "triage@tuned"} == {
        name: units[name] for name in NAMES if name != "triage@tuned"
    }
    state = SqliteState(room.root / "state.db")
    told = standings(state, now=room.now)
    state.close()
    assert "it rests while triage@tuned serves" in told["triage@small"].sentence


def test_slices_hold_each_candidate(room: Room) -> None:
    """Every candidate's conversations are told apart, and the one that goes on is certified in each slice."""
    room.policy(THREE + "slices: {by: tool}\n")
    controller = room.controller()
    controller.tick(room.now)
    until(room, controller, 100_000)
    for evaluation in controller.leader.evaluations.values():
        assert evaluation.evidence.histograms.keys() >= {"quality@tool=none"} or evaluation.rollout.weight_ppm
    state = SqliteState(room.root / "state.db")
    moved = next(each for each in state.decisions("triage@tuned", 20) if each.move == "advance")
    state.close()
    gates = {gate.gate: gate.reason for gate in explain.decode(moved.record).decision.results.gates}
    assert "by the closed test of 3 candidates" in gates["quality@tool=none"]


def test_every_move_can_be_made_again(room: Room) -> None:
    """Decisions and their evidence files carry the candidate's name, and replay by what the others' evidence said."""
    controller = room.controller()
    controller.tick(room.now)
    until(room, controller, 100_000)
    files = sorted((room.root / "evidence" / "triage@tuned").glob("*.json"))
    kept = [msgspec.json.decode(path.read_bytes(), type=EvidenceFile) for path in files]
    advance = next(explain.decode(bytes(each.record)) for each in kept if each.move == "advance")

    assert explain.replay(advance) == advance.decision
    assert len(advance.seen.rivals) == 2
    assert "by the closed test of 3 candidates" in explain.text(advance.decision)


def test_who_is_picked_by_name_goes_first(room: Room) -> None:
    """An operator's word gives traffic to the one that is named; a second one is refused while the first serves."""
    controller = room.controller()
    controller.tick(room.now)
    order(room, "promote", "triage@small")
    room.live(controller, seconds=0.5)
    assert room.weight_ppm() == 100_000
    assert room.table().routes[0].candidate.model == "triage-3b"
    order(room, "promote", "triage@tuned", "o2")
    room.live(controller, seconds=0.5)
    state = SqliteState(room.root / "state.db")
    answer = state.answered("o2")
    state.close()
    assert answer is not None
    assert (answer.taken, "triage@small serves" in answer.text) == (False, True)
    assert [each.weight_ppm for each in rollouts(room).values() if each.weight_ppm] == [100_000]


def test_after_a_rollback_the_others_go_on(room: Room) -> None:
    """They are asked again at once, from the evidence that they had; one of them goes up after the cooldown."""
    controller = room.controller()
    controller.tick(room.now)
    until(room, controller, 100_000)
    units = controller.leader.evaluations["triage@small"].evidence.count("units")
    order(room, "rollback", "triage@tuned")
    room.live(controller, seconds=20.0)
    assert room.weight_ppm() == 0
    assert controller.leader.evaluations["triage@small"].evidence.count("units") > units + 100
    until(room, controller, 100_000)
    assert [name for name, each in rollouts(room).items() if each.weight_ppm] == ["triage@small"]


def test_who_is_added_rests_and_who_served_goes_on(room: Room) -> None:
    """Editing the list moves nobody up: a new candidate waits beside the one that serves; without it traffic is 0."""
    controller = room.controller()
    controller.tick(room.now)
    until(room, controller, 100_000)
    more = THREE.replace(
        "  - {name: short,", "  - {name: large, upstream: vllm, model: triage-70b, revision: r1}\n  - {name: short,"
    )
    room.policy(more)
    room.live(controller, seconds=3.0)
    assert "triage@large" in rollouts(room)
    assert asked(room) == {"triage@tuned"}
    assert room.weight_ppm() >= 100_000
    room.policy(THREE.replace("  - {name: tuned, upstream: vllm, model: triage-7b, revision: r1}\n", ""))
    room.now += 0.25
    controller.tick(room.now)
    assert room.weight_ppm() == 0


def test_two_with_a_weight_never_serve_both(room: Room) -> None:
    """Where edits leave two rollouts with traffic, the lesser is published, and neither rises."""
    controller = room.controller()
    controller.tick(room.now)
    until(room, controller, 500_000)
    without = THREE.replace("  - {name: tuned, upstream: vllm, model: triage-7b, revision: r1}\n", "")
    room.policy(without)
    room.live(controller, seconds=0.5)
    until(room, controller, 100_000)
    assert room.table().routes[0].candidate.model == "triage-3b"
    room.policy(THREE)
    room.live(controller, seconds=10.0)

    assert (room.weight_ppm(), room.table().routes[0].candidate.model) == (100_000, "triage-3b")
    assert {name: each.weight_ppm for name, each in rollouts(room).items() if each.weight_ppm} == {
        "triage@tuned": 500_000, "triage@small": 100_000,
    }  # fmt: skip


def test_another_leader_goes_on(room: Room) -> None:
    """All candidates' evidence is kept apart, and a new leader picks by it as the old one would have."""
    controller = room.controller()
    controller.tick(room.now)
    room.live(controller, seconds=5.0)
    controller.leader.resign()
    before = {name: each.evidence.count("units") for name, each in controller.leader.evaluations.items()}
    second = room.controller()
    until(room, second, 100_000)

    assert min(before.values()) > 0
    assert all(second.leader.evaluations[name].evidence.count("units") >= 20 for name in ("triage@small",))
    assert [name for name, each in rollouts(room).items() if each.weight_ppm] == ["triage@tuned"]


def test_one_that_is_suspended_is_not_overtaken(room: Room) -> None:
    """An alarm takes its traffic, and the others go on resting: it is tried, and comes back to what it had."""
    controller = room.controller()
    controller.tick(room.now)
    until(room, controller, 100_000)
    room.candidate = Candidate(fails=lambda _: True)
    until(room, controller, 0)
    assert rollouts(room)["triage@tuned"].phase == "suspended"
    room.candidate = Candidate()
    room.live(controller, seconds=20.0)
    assert asked(room) == {"triage@tuned"}
    assert rollouts(room)["triage@small"].phase == "shadow"
    until(room, controller, 100_000, at_most_s=200)
    assert [name for name, each in rollouts(room).items() if each.weight_ppm] == ["triage@tuned"]
