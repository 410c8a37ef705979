"""People's labels, given over the admin API, move the guard on a judge's bias."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from gateway import clock
from gateway.admin.auth import Door
from gateway.admin.labels import QueuedPair, is_swapped
from gateway.control.controller.process import Controller
from gateway.control.leader.evidence_files import EvidenceFile
from gateway.node.datadir import DataDir
from policies import explain
from policies.results import GuardResult
from policies.terms import Verdict
from tests.rooms.admin_pages import connected
from tests.rooms.loop_room import POLICY, Room
from tests.rooms.recording import Place

ASKS = POLICY + "guards: {judge_bias: 90%}\n"
QUEUE = {"route": "triage", "by": "ada", "pool": "judged"}


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    found = Room(tmp_path, now=clock.wall())
    found.policy(ASKS)
    yield found
    found.close()


def bias(controller: Controller) -> GuardResult:
    """The guard, as last shown."""
    return next(each for each in controller.leader.shown["triage"].results.guards if each.guard == "judge_bias")


async def vote(client: httpx.AsyncClient, choice: str, *, most: int = 30) -> int:
    """Say the same of every pair that the queue has, up to `most`: as good, or which is better."""
    for done in range(most):
        pair = (await client.get("/labels/queue", params=QUEUE)).json()["pair"]
        if pair is None:
            return done
        swapped = is_swapped(QueuedPair(pair["exchange_id"], pair["asked"]), "ada")
        said = {"candidate": "left" if swapped else "right", "baseline": "right" if swapped else "left"}
        body = QUEUE | {"exchange_id": pair["exchange_id"], "asked": pair["asked"], "choice": said.get(choice, choice)}
        assert (await client.post("/labels", json=body)).status_code == 200
    return most


async def test_labels_move_the_guard_from_waiting_to_a_verdict(room: Room) -> None:
    """A good candidate stays in the shadow until people agree with its scorer; then it moves, and the record of that
    move, with the labels in it, is made again.
    """
    controller = room.controller()
    controller.tick(room.now)
    room.live(controller, seconds=10.0)
    assert room.weight_ppm() == 0
    waits = bias(controller)
    assert waits.verdict is Verdict.INCONCLUSIVE
    assert "no human labels yet; about " in waits.reason
    assert "crossfade label" in waits.reason
    place = Place(room.root, now=room.now)
    place.settle(place.recorder())
    async with connected(DataDir(room.root), Door()) as client:
        assert await vote(client, "equal") >= 25
    room.live(controller, seconds=12.0)
    evidence = room.root / "evidence" / "triage"
    assert bias(controller).verdict is Verdict.PASS
    assert room.weight_ppm() > 0
    files = [msgspec.json.decode(path.read_bytes(), type=EvidenceFile) for path in evidence.glob("*.json")]
    record = explain.decode(bytes(next(each for each in files if each.move == "advance").record))
    assert sum((record.seen.labels or {}).values()) >= 25
    assert explain.replay(record) == record.decision


async def test_a_scorer_that_people_contradict_moves_nothing(room: Room) -> None:
    """Where they find the baseline better of each pair that it calls as good, it does not count, and says why."""
    controller = room.controller()
    controller.tick(room.now)
    room.live(controller, seconds=10.0)
    place = Place(room.root, now=room.now)
    place.settle(place.recorder())
    async with connected(DataDir(room.root), Door()) as client:
        await vote(client, "baseline")
    room.live(controller, seconds=12.0)
    assert bias(controller).verdict is Verdict.INCONCLUSIVE
    assert "of people on" in bias(controller).reason
    assert room.weight_ppm() == 0
