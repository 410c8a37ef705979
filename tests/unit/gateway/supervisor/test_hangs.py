import asyncio
import io
import json
import os
import signal
from pathlib import Path

import pytest

from gateway import clock
from gateway.log import Log
from gateway.supervisor.child import Child, Program, spawn
from gateway.supervisor.hangs import HANGS_S, LOOK_S, REST_S, HangWatch, Silences, Vitals
from gateway.supervisor.slot import Slot
from tests.rooms.waiting import PATIENCE_S, until

LOOKS = round(HANGS_S / LOOK_S)


def looked(silences: Silences, signs: dict[int, Vitals], times: int) -> None:
    for _ in range(times):
        silences.look(signs)


@pytest.mark.parametrize("state", ["S", "D", "T", ""])
def test_who_shows_no_beat_hangs(state: str) -> None:
    """A worker that waits, is stopped, or of which nothing is known, hangs after so many looks, not before."""
    silences, sign = Silences(), {7: Vitals(beats=3, state=state)}
    looked(silences, sign, LOOKS)  # the first sees what the others compare with
    assert (silences.hanging, silences.to_end(is_ending=False)) == ([], None)
    looked(silences, sign, 1)
    assert (silences.hanging, silences.lasts_s(7)) == ([7], HANGS_S)
    assert silences.to_end(is_ending=False) == 7
    assert silences.hanging == []


def test_one_beat_is_enough() -> None:
    """However slow a worker is, one beat within the bound says that it lives, and a hang may end by itself."""
    silences = Silences()
    for beats in range(1, 5):
        looked(silences, {7: Vitals(beats)}, LOOKS)
        assert silences.hanging == []
    looked(silences, {7: Vitals(4)}, LOOKS)
    assert silences.hanging == [7]
    silences.look({7: Vitals(5)})
    assert silences.hanging == []


@pytest.mark.parametrize(("share", "looks"), [(1.0, LOOKS), (0.5, 2 * LOOKS), (0.1, 10 * LOOKS)])
def test_who_loops_hangs_by_the_processor_time_it_had(share: float, looks: int) -> None:
    """An endless loop is told from a worker that waits for a core: only what it had of one counts."""
    silences = Silences()
    for look in range(looks):
        silences.look({7: Vitals(3, "R", cpu_s=look * share)})
        assert silences.hanging == []
    looked(silences, {7: Vitals(3, "R", cpu_s=looks * share + 0.001)}, 1)
    assert silences.hanging == [7]


def test_a_full_machine_lets_nobody_hang() -> None:
    """Workers that want a core and get none are not ended, however long that lasts."""
    silences = Silences()
    looked(silences, {pid: Vitals(3, "R", cpu_s=4.0) for pid in (7, 8)}, 100 * LOOKS)
    assert silences.hanging == []


def test_who_was_never_seen_to_turn_is_not_judged() -> None:
    """A worker whose counters cannot be seen, or that has not begun, is not ended for it."""
    silences = Silences()
    looked(silences, {7: Vitals(0, "T")}, 10 * LOOKS)
    assert silences.hanging == []


def test_a_process_that_comes_anew_begins_anew() -> None:
    """Silence belongs to a process: who is replaced, drains or starts is not looked at, and a new one owes nothing."""
    silences = Silences()
    looked(silences, {7: Vitals(3)}, LOOKS)
    silences.look({})
    looked(silences, {7: Vitals(3), 8: Vitals(3)}, LOOKS)
    assert silences.hanging == []


def test_of_many_one_is_ended_at_a_time() -> None:
    """Where all hang, the one that is silent longest goes first, the next when it is gone and after a rest."""
    silences = Silences()
    looked(silences, {7: Vitals(3)}, 5)
    both = {7: Vitals(3), 8: Vitals(3)}
    looked(silences, both, LOOKS + 1)
    assert silences.hanging == [7, 8]
    assert silences.to_end(is_ending=True) is None
    assert silences.to_end(is_ending=False) == 7
    for _ in range(round(REST_S / LOOK_S) - 1):
        silences.look({8: Vitals(3)})
        assert silences.to_end(is_ending=False) is None
    silences.look({8: Vitals(3)})
    assert silences.to_end(is_ending=True) is None
    assert silences.to_end(is_ending=False) == 8


def test_who_comes_back_while_others_rest_is_spared() -> None:
    """When the machine comes back after one was ended, none of the others is."""
    silences = Silences()
    looked(silences, {7: Vitals(3), 8: Vitals(3)}, LOOKS + 1)
    assert silences.to_end(is_ending=False) == 7
    looked(silences, {8: Vitals(4)}, round(REST_S / LOOK_S))
    assert silences.to_end(is_ending=False) is None


async def test_one_that_is_stopped_is_ended_and_another_is_there_before_it_is_gone(reaping: list[Child]) -> None:
    """What hangs is said, shown and ended, one after the other, and who turns is left alone."""
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    program = Program("tests.fakes.idle", lambda fd: b'{"ready_fd": %d}' % fd, environment=environment)
    beats = {"w0": 1, "w1": 1, "w2": 1}
    lines = io.StringIO()

    def launch(name: str) -> Child:
        reaping.append(spawn(name, program))
        return reaping[-1]

    async with asyncio.TaskGroup() as group, asyncio.timeout(PATIENCE_S):
        log = Log("test", stream=lines)
        slots = [Slot(name, lambda name=name: launch(name), group, log, clock.monotonic) for name in beats]
        keeping = [group.create_task(slot.keep()) for slot in slots]
        await until(lambda: all(slot.current is not None for slot in slots))
        first = [slot.current for slot in slots if slot.current is not None]
        for child in first[:2]:
            os.kill(child.pid, signal.SIGSTOP)
        await until(lambda: all((child.main_thread() or ("T",))[0] == "T" for child in first[:2]))
        watch = HangWatch(lambda: slots, lambda name: beats[name], group, log)
        for _ in range(LOOKS + 1):
            beats["w2"] += 1
            watch.look()
        assert [slot.hangs for slot in slots] == [True, True, False]
        await until(lambda: slots[0].current not in (None, first[0]))
        assert [slot.current is child for slot, child in zip(slots, first, strict=True)] == [False, True, True]
        assert [slot.status.hangs for slot in slots] == [False, True, False]
        assert (slots[0].restarts, slots[1].restarts) == (1, 0)
        assert await first[0].exited == -signal.SIGKILL  # one that is stopped hears no SIGABRT
        for task in keeping:
            task.cancel()
        for slot in slots:
            await slot.stop(0.0)
    told = [json.loads(line) for line in lines.getvalue().splitlines()]
    hung = [(line["process"], line["silent_s"]) for line in told if line["event"] == "process.hangs"]
    assert hung == [("w0", HANGS_S), ("w1", HANGS_S)]
