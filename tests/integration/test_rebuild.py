"""The evidence made again from the records, and what is kept: the same, to the last bit."""

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from gateway import clock
from gateway.cli.main import main
from gateway.control.controller.process import Controller
from gateway.control.leader.announce import Announcer
from gateway.control.leader.persistence import unpack
from gateway.control.operations.orders import OrderClock, operate
from gateway.control.state.port import QueuedOrder
from gateway.control.state.sqlite import SqliteState
from policies.evidence import Evidence
from records.erasure import Subject
from records.forgetting import carry_out, wish
from records.store import Store
from tests.faults.loop_kills import KilledError, Seam, survive
from tests.rooms.loop_room import POLICY, Room
from tests.rooms.recording import Place

LIVELY = POLICY.replace("- 10%: {min_units: 20, hold: 2s", "- 10%: {min_units: 20000, hold: 2s")


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    """A route that went from the shadow to 10 %, its controller killed on the way, its policy edited, all recorded."""
    room = Room(tmp_path)
    room.policy(LIVELY)
    edited = LIVELY.replace("errors: {margin: 0.2}", "errors: {margin: 0.1}") + "guards: {error_rate: 0.1}\n"

    def script(tick) -> None:
        tick()
        for second in range(30):
            room.candidate.fails = lambda unit: unit.endswith("03")
            for _ in range(8):
                room.ask(f"{next(room.numbers):016x}")
            room.now += 1.0
            if second == 8:
                promote(room)
            if second == 18:
                room.policy(edited)
            tick()

    with pytest.MonkeyPatch.context() as patch, Seam((Announcer, "observed"), behind=True, crossing=60).cut(patch):
        assert survive(room, script) == 1
    controller = room.controller()
    for _ in range(4):  # until all conversations are over
        room.now += 1.0
        controller.tick(room.now)
    controller.leader.resign()
    record(room)
    yield room
    room.close()


def promote(room: Room) -> None:
    state = SqliteState(room.root / "state.db")
    state.order(QueuedOrder("o1", "triage", "promote", "ada", "a test", room.now))
    state.close()


def record(room: Room) -> None:
    place = Place(room.root)
    recorder = place.recorder()
    for _ in range(4):
        place.step(recorder)
    recorder.close()


def rebuilt(room: Room, *words: str) -> int:
    return main(["rebuild", "--data", str(room.root), *words])


def kept(room: Room) -> Evidence:
    state = SqliteState(room.root / "state.db")
    found = state.snapshot("triage")
    state.close()
    assert found is not None
    read = unpack(found)
    assert read is not None
    return read.evidence


def damage(room: Room, evidence: bytes | None) -> None:
    state = SqliteState(room.root / "state.db")
    epoch, found = state.lead("x", room.now + 100.0), state.snapshot("triage")
    assert epoch is not None
    assert found is not None
    if evidence is None:
        with state._writing() as connection:
            connection.execute("DELETE FROM shared_snapshots")
    else:
        assert state.keep_snapshot("triage", msgspec.structs.replace(found, evidence=evidence), epoch=epoch)
    state.resign("x")
    state.close()


def test_it_agrees(room: Room, capsys: pytest.CaptureFixture[str]) -> None:
    """After a kill, an edit and a move: counts, histograms, open units and detectors come out as they are kept."""
    assert kept(room).key.weight_ppm == 100_000
    assert kept(room).detectors["errors"].tolerance == 0.1
    assert rebuilt(room, "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["agrees"], told["differs"], told["missing"]) == (True, [], 0)
    assert told["observations"] > 200
    assert rebuilt(room, "triage") == 0
    assert "triage: agrees" in capsys.readouterr().out


@pytest.mark.parametrize("evidence", [b"junk", None], ids=["damaged", "gone"])
def test_what_is_damaged_or_gone_is_made_again(
    room: Room, capsys: pytest.CaptureFixture[str], evidence: bytes | None
) -> None:
    """`--write` brings back from the records what can be read no more, exactly."""
    before = kept(room)
    damage(room, evidence)
    assert rebuilt(room) == 1
    assert "DIFFERS" in capsys.readouterr().out
    assert rebuilt(room, "--write") == 0
    assert "written" in capsys.readouterr().out
    after = kept(room)
    after.advance(before.watermark_at or 0.0)
    assert (after.counts, after.histograms, after.detectors) == (before.counts, before.histograms, before.detectors)
    assert rebuilt(room) == 0
    controller = room.controller()
    for _ in range(3):
        room.now += 1.0
        controller.tick(room.now)
    assert controller.leader.evaluations["triage"].evidence.counts == before.counts


@pytest.mark.parametrize("evidence", ["kept", "gone"])
def test_what_a_state_that_is_gone_noted_counts_no_more(
    room: Room, capsys: pytest.CaptureFixture[str], evidence: str
) -> None:
    """A lost state begins anew, at the first place of an order of its own: the rows of the other one stay aside."""
    for path in room.root.glob("state.db*"):
        path.unlink()
    controller = room.controller()
    for _ in range(12):
        for _ in range(6):
            room.ask(f"{next(room.numbers):016x}")
        room.now += 1.0
        controller.tick(room.now)
    controller.leader.resign()
    record(room)
    before = kept(room)
    assert before.count("requests") + len(before.open) < 150
    if evidence == "gone":
        damage(room, None)
        assert rebuilt(room, "--write") == 0
        after = kept(room)
        after.advance(before.watermark_at or 0.0)
        assert (after.counts, after.detectors) == (before.counts, before.detectors)
    capsys.readouterr()
    assert rebuilt(room, "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["agrees"], told["differs"], told["missing"]) == (True, [], 0)
    assert 0 < told["observations"] < 150, "the state that is gone noted more than 200"


def test_a_wrong_count_is_named(room: Room, capsys: pytest.CaptureFixture[str]) -> None:
    """Kept evidence that somebody changed is told, count by count, and exits with 1."""
    state = SqliteState(room.root / "state.db")
    found = state.snapshot("triage")
    state.close()
    assert found is not None
    import zlib  # noqa: PLC0415 -- how snapshots are folded

    text = zlib.decompress(found.evidence)
    units = kept(room).count("units")
    damage(room, zlib.compress(text.replace(b'"units":%d' % units, b'"units":%d' % (units + 1000))))
    assert rebuilt(room) == 1
    assert f"count units: {units} instead of {units + 1000}" in capsys.readouterr().out


def test_what_was_erased_is_told_as_erased_and_not_as_lost(room: Room, capsys: pytest.CaptureFixture[str]) -> None:
    """`records forget` empties an exchange's observation; its place in the order is there, and nothing is missing."""
    store = Store(room.root / "records")
    query = "SELECT event_json FROM observations_all WHERE event_json <> '' ORDER BY seq DESC LIMIT 1"
    ((event,),) = store.read(lambda views: views.execute(query).fetchall())
    wish(store, Subject("exchange", json.loads(event)["id"], 0.0))
    carry_out(store)
    rebuilt(room, "--json")
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["missing"], told["forgotten"], told["unreadable"]) == (0, 1, 0)
    rebuilt(room)
    assert "erased since: 1 (`crossfade records forget`)" in capsys.readouterr().out


def test_while_somebody_leads_nothing_is_written(
    room: Room, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A controller that leads would write over it: it is refused, with what to do."""
    damage(room, b"junk")
    state = SqliteState(room.root / "state.db")
    now = clock.wall()
    monkeypatch.setattr(clock, "wall", lambda: now)  # the lease does not run out while the records are read
    assert state.lead("other", now) is not None
    assert rebuilt(room, "--write") == 1
    assert "stop every node first" in capsys.readouterr().err
    state.close()


def test_a_route_nobody_has(room: Room, capsys: pytest.CaptureFixture[str]) -> None:
    """Asked for a route without a rollout, it says which there are, and nothing else."""
    assert rebuilt(room, "nowhere") == 1
    assert capsys.readouterr().err == "no route is called 'nowhere'. hint: there are triage\n"


@pytest.mark.parametrize(("seconds", "is_trial"), [(20, True), (70, True), (110, False)])
def test_it_agrees_through_a_suspension(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seconds: int, *, is_trial: bool
) -> None:
    """Before, within and after a trial: what only detectors hear, what only counts, and detectors that begin afresh."""
    room = Room(tmp_path)
    room.policy(LIVELY)
    controller = room.controller()
    controller.tick(room.now)
    promote(room)
    room.live(controller, seconds=10.0)
    room.candidate.fails = lambda _: True
    room.live(controller, seconds=6.0)
    room.candidate.fails = lambda unit: unit.endswith("03")
    room.live(controller, seconds=float(seconds), rate=6)
    controller.leader.resign()
    record(room)
    assert (kept(room).key.weight_ppm, kept(room).key.is_trial) == (100_000, is_trial)
    assert rebuilt(room, "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["agrees"], told["differs"], told["missing"]) == (True, [], 0)
    room.close()


def quiet(room: Room, controller: Controller) -> None:
    """Until all that was told is over: conversations close after the last observation."""
    for _ in range(4):
        room.now += 1.0
        controller.tick(room.now)


BY_MS = LIVELY.replace("shadow: {min_units: 20,", "shadow: {min_units: 20000,")
BY_LINE = BY_MS.replace("{ttft_p95: 800ms, warmup: 1}", "{relative: {ttft_p95: 1.2x}, warmup: 1}")
ALONE = LIVELY.replace("shadow: {min_units: 20,", "shadow: {min_units: 90,") + "slices: {by: tool, mode: partial}\n"


def promoted(room: Room, _: Controller) -> None:
    promote(room)


def rolled_back_without_a_leader(room: Room, controller: Controller) -> None:
    """A node lowers the weight by itself: the next leader goes on from what the last one kept."""
    promote(room)
    room.live(controller, seconds=5.0)
    quiet(room, controller)
    controller.leader.resign()
    state, ticks = SqliteState(room.root / "state.db"), itertools.count()
    order = QueuedOrder("o2", "triage", "rollback", "ada", "a test", room.now)
    waits = OrderClock(lambda: room.now, lambda: float(next(ticks)), lambda _: None)
    assert operate(state, order, waits, version="test").alone
    state.close()


def killed_in_the_move(room: Room, controller: Controller) -> None:
    """Whoever leads next finds the rollout moved, and evidence of the stage that it left."""
    promote(room)
    seam = Seam((SqliteState, "store"), behind=True, crossing=1)
    with pytest.MonkeyPatch.context() as patch, seam.cut(patch), pytest.raises(KilledError):
        controller.tick(room.now)
    assert kept(room).key.weight_ppm == 0


def judged_otherwise(room: Room, _: Controller) -> None:
    room.policy(BY_MS.replace("ttft_p95", "total_p95"))


def edited_there_and_back(room: Room, controller: Controller) -> None:
    room.policy(BY_LINE.replace("revision: r1", "revision: r2"))
    quiet(room, controller)
    room.policy(BY_LINE)


def beside_another_baseline(room: Room, _: Controller) -> None:
    room.policy(BY_LINE.replace("baseline: {upstream: openai}", "baseline: {upstream: openai, model: gpt-5}"))


def certified_by_itself(room: Room, controller: Controller) -> None:
    """What slices have shown goes on from stage to stage: this one was certified on what closed last."""
    assert controller.leader.evaluations["triage"].rollout.held.moving == ("tool=none",)
    promote(room)


@pytest.mark.parametrize(
    ("policy", "change"),
    [
        (BY_LINE, promoted),
        (BY_LINE, rolled_back_without_a_leader),
        (BY_LINE, killed_in_the_move),
        (BY_MS, judged_otherwise),
        (BY_LINE, edited_there_and_back),
        (BY_LINE, beside_another_baseline),
        (ALONE, certified_by_itself),
    ],
    ids=lambda each: "" if isinstance(each, str) else each.__name__,
)
def test_what_closed_last_before_a_change_counts_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], policy: str, change: Callable[[Room, Controller], None]
) -> None:
    """Conversations that are over between the last observation and a move or an edit are counted as they were."""
    room = Room(tmp_path)
    room.policy(policy)
    controller = room.controller()
    controller.tick(room.now)
    room.live(controller, seconds=5.0)
    quiet(room, controller)
    change(room, controller)
    controller = room.controller()
    room.now += 10.0  # the lease of one that is gone
    controller.tick(room.now)
    room.live(controller, seconds=5.0)
    quiet(room, controller)
    controller.leader.resign()
    record(room)
    assert rebuilt(room, "--json") == 0, capsys.readouterr().out
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["agrees"], told["differs"], told["missing"]) == (True, [], 0)
    assert told["observations"] >= 150
    room.close()
