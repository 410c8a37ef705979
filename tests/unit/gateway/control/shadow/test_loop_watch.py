"""Whether our own loop is late."""

import asyncio

import pytest

from gateway.control.shadow.loop_watch import LATE_S, TICK_S, LoopWatch, is_void


async def test_it_says_for_how_long_the_loop_was_late():
    """By what was beyond a tick, once that is more than 20 ms; of what was under way meanwhile, and of nothing else."""
    now = [100.0]
    watch = LoopWatch(lambda: now[0])
    with watch.timing() as first:
        now[0] += TICK_S + LATE_S / 2
        assert first() == 0
        now[0] += LATE_S
        assert first() == pytest.approx(1.5 * LATE_S)  # the loop did not come to the tick yet
        with watch.timing() as second:
            assert second() == 0
            await asyncio.sleep(TICK_S * 2)
            now[0] += TICK_S + 1.0
            assert second() == pytest.approx(1.0)
            assert first() == pytest.approx(1.0 + 1.5 * LATE_S)
    await asyncio.sleep(TICK_S * 2)
    now[0] += 60.0
    with watch.timing() as after:
        assert after() == 0


def test_times_are_void_by_how_much_of_them_the_loop_was_late():
    """A loop that was never late voids none; 20 ms are much of a short answer, and little of a long one."""
    assert not is_void(0.0, 0.001)
    assert is_void(0.021, 0.4)
    assert not is_void(0.021, 0.5)


async def test_the_own_clock_stands_still_while_the_loop_is_late():
    """By it a minute in which nothing ran took no longer than a tick; what a loop may be late by is not left out."""
    now = [100.0]
    watch = LoopWatch(lambda: now[0])
    with watch.timing():
        began_s = watch.own_s()
        now[0] += TICK_S + LATE_S / 2
        assert watch.own_s() - began_s == pytest.approx(TICK_S + LATE_S / 2)
        now[0] += 60.0
        assert 0 <= watch.own_s() - began_s <= TICK_S + 1e-9
        await asyncio.sleep(TICK_S * 2)  # it comes to its tick
        assert 0 <= watch.own_s() - began_s <= TICK_S + 1e-9


async def test_what_came_late_with_the_loop_has_come():
    """A deadline is of the time in which it could be heard of; one that it missed by itself is missed."""
    now = [100.0]
    watch = LoopWatch(lambda: now[0])
    event = asyncio.Event()
    with watch.timing():

        def late() -> None:
            now[0] += 60.0
            asyncio.get_running_loop().call_later(TICK_S * 3, event.set)

        asyncio.get_running_loop().call_soon(late)
        assert await watch.comes(event, TICK_S * 2)
        assert await watch.comes(event, 0.0)
        event.clear()
        now[0] += TICK_S
        asyncio.get_running_loop().call_later(TICK_S, now.__setitem__, 0, now[0] + LATE_S / 2)
        assert not await watch.comes(event, LATE_S / 4)
