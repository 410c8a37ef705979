"""Whether our own loop is late."""

import asyncio

import pytest

from gateway.control.shadow.loop_watch import LATE_S, TICK_S, LoopWatch


async def test_late_loop_voids_timing():
    """A loop that is late by more than 20 ms makes the times of what was under way void, and only those."""
    now = [100.0]
    watch = LoopWatch(lambda: now[0])
    with watch.timing() as before:
        now[0] += TICK_S + LATE_S / 2
        assert not before()
        now[0] += LATE_S
        assert before()  # the tick is overdue, though the loop did not come to it yet
        with watch.timing() as meanwhile:
            await asyncio.sleep(TICK_S * 2)
            now[0] += TICK_S
            assert before()
            assert meanwhile()
    await asyncio.sleep(TICK_S * 2)
    now[0] += 60.0
    with watch.timing() as after:
        assert not after()


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
