import asyncio
from typing import Never

import pytest

from gateway.log import Log
from gateway.supervisor.slot import Slot, Turns, backoff_s


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
