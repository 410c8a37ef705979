"""The baseline's second answer is asked for once."""

import asyncio

import pytest

from shadow import repeats as repeats_module
from shadow.ports import ModelReply
from shadow.repeats import Repeats
from tests.rooms.scripted_model import good


class Baseline:
    """Answers when it is told to, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.free = asyncio.Event()

    async def ask(self) -> ModelReply:
        self.asked += 1
        number = self.asked
        await self.free.wait()
        return good(f"answer {number}")


async def test_who_comes_while_it_is_asked_has_the_same_answer():
    """One call, and only who made it has to pay; of another exchange it is asked anew."""
    baseline, repeats = Baseline(), Repeats()
    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(repeats.once("x1", baseline.ask)) for _ in range(3)]
        await asyncio.sleep(0)
        baseline.free.set()
    heard = [call.result() for call in calls]
    later, is_paid = await repeats.once("x1", baseline.ask)

    assert baseline.asked == 1
    assert {reply.body for reply, _ in heard} == {later.body}
    assert sorted(asked for _, asked in heard) == [False, False, True]
    assert not is_paid
    assert (await repeats.once("x2", baseline.ask))[1]


async def test_who_was_to_ask_and_did_not_keeps_nobody_waiting():
    """The next one asks."""
    baseline, repeats = Baseline(), Repeats()
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(repeats.once("x1", baseline.ask))
        await asyncio.sleep(0)
        second = tasks.create_task(repeats.once("x1", baseline.ask))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait({first})
        baseline.free.set()

    assert second.result()[1]
    assert baseline.asked == 2


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch):
    """Beyond it the oldest is forgotten, and asked again."""
    monkeypatch.setattr(repeats_module, "MOST", 2)
    baseline, repeats = Baseline(), Repeats()
    baseline.free.set()
    for name in ("x1", "x2", "x3"):
        await repeats.once(name, baseline.ask)

    assert not (await repeats.once("x3", baseline.ask))[1]
    assert (await repeats.once("x1", baseline.ask))[1]
