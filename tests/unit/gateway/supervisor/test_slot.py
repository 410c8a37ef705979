import asyncio
from typing import Never

import pytest

from gateway.log import Log
from gateway.supervisor.slot import READY_CPU_S, READY_MOST_S, STUCK_S, Slot, StartClock, Turns, backoff_s


def never() -> Never:
    raise AssertionError("it has to wait")


@pytest.mark.parametrize(
    ("failures", "expected"), [(0, 0.0), (1, 0.0), (2, 0.1), (3, 0.2), (4, 0.4), (7, 3.2), (8, 5.0), (10_000, 5.0)]
)
def test_pauses_between_starts(failures: int, expected: float) -> None:
    """The first death is repaired at once; one that repeats is tried more and more slowly, up to a bound."""
    assert backoff_s(failures, 5.0) == expected


def test_what_died_together_starts_one_after_the_other() -> None:
    """The first to ask starts at once, each other a gap after the one before, and nobody waits for a turn long past."""
    turns = Turns(gap_s=2.0)
    assert [turns.pause_s(100.0) for _ in range(3)] == [0.0, 2.0, 4.0]
    assert turns.pause_s(105.0) == 1.0
    assert turns.pause_s(200.0) == 0.0


async def test_who_waits_for_long_holds_nobody_up() -> None:
    """A process that dies again and again takes its turn only once its own pause is over: another starts meanwhile."""
    turns, now = Turns(gap_s=2.0), 100.0
    async with asyncio.TaskGroup() as group:
        slot = Slot("recorder", never, group, Log("test", now=lambda: now), lambda: now, turns=turns)
        slot._failures = 9
        keeping = group.create_task(slot.keep())
        for _ in range(5):
            await asyncio.sleep(0)
        assert turns.pause_s(now) == 0.0
        keeping.cancel()


async def test_what_a_reload_replaces_is_starting() -> None:
    """Between the old process and the new one nothing is wrong; once that does not come up, something is."""
    seen: list[bool] = []

    def launch() -> Never:
        seen.append(slot.status.starting)
        raise OSError

    async with asyncio.TaskGroup() as group:
        slot = Slot("admin", never, group, Log("test"), lambda: 100.0)
        order = group.create_task(slot.replace(launch))
        await asyncio.sleep(0)
        told: list[bool] = []
        slot.changed = lambda: told.append(slot.status.starting)
        keeping = group.create_task(slot.keep())
        assert not await order
        assert seen[:1] == [True]
        assert told[:2] == [True, False]
        keeping.cancel()


def test_a_full_machine_is_no_reason_to_give_up() -> None:
    """A process that gets a twentieth of the processor is waited for as long as it needs, and one that loops is not."""
    waited = StartClock(100.0)
    looks = [waited.verdict(100.0 + seconds, seconds / 20) for seconds in range(1, 600)]
    assert looks[: int(READY_CPU_S * 20) - 1] == [None] * int(READY_CPU_S * 20 - 1)
    assert "30 s of processor time" in (waited.verdict(100.0 + 600.0, READY_CPU_S) or "")


def test_one_that_gets_nowhere_is_given_up() -> None:
    """What uses no processor time waits for something: it is given up after a while, and so is what takes for ever."""
    waited = StartClock(0.0)
    assert waited.verdict(1.0, 0.5) is None
    assert waited.verdict(STUCK_S, 0.5) is None
    assert "waits for something" in (waited.verdict(1.0 + STUCK_S, 0.5) or "")
    unknown = StartClock(0.0)
    assert unknown.verdict(STUCK_S - 1.0, None) is None
    assert unknown.verdict(STUCK_S, None) is not None
    slow = StartClock(0.0)
    found = [slow.verdict(float(seconds), seconds / 25) for seconds in range(1, int(READY_MOST_S) + 1)]
    assert found[:-1] == [None] * (len(found) - 1)
    assert "24 s of processor time" in (found[-1] or "")
