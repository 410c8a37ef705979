"""Events of what changes by itself."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.console.ask import AskError
from gateway.console.live import QUIET_S, STREAMS, LiveFeed


@dataclass(slots=True)
class Clock:
    """Seconds that pass by being asked for."""

    now: float = 0.0
    step: float = 0.0

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@dataclass(slots=True)
class Looks:
    """Looks as they are taken: what is said, and how often it was looked."""

    said: list[dict[str, Any]]
    taken: list[str | None] = field(default_factory=list[str | None])

    def __call__(self, route: str | None) -> dict[str, Any]:
        self.taken.append(route)
        return self.said[min(len(self.taken), len(self.said)) - 1]


async def messages(stream: AsyncIterator[str]) -> list[dict[str, Any]]:
    lines = [line async for line in stream]
    assert lines[0].startswith("retry: ")
    return [json.loads(line.removeprefix("data: ")) for line in lines[1:]]


async def test_a_page_hears_what_is_new() -> None:
    """What has not changed is not said again; what has is said once."""
    looks = Looks([{"now": "1"}, {"now": "1"}, {"now": "2"}, {"now": "2"}])
    feed = LiveFeed(looks, Clock(step=0.01), every_s=0.001, lasts_s=0.2)
    feed.enter()
    assert await messages(feed.events("triage")) == [{"now": "1"}, {"now": "2"}]
    assert set(looks.taken) == {"triage"}
    assert feed.open == 0


async def test_a_page_that_hears_the_same_still_hears() -> None:
    """After a while without news the last is said again, so that a page knows it is live."""
    clock = Clock(step=QUIET_S / 2)
    feed = LiveFeed(Looks([{"now": "1"}]), clock, every_s=0.001, lasts_s=QUIET_S * 6)
    feed.enter()
    assert len(await messages(feed.events(None))) > 2


async def test_pages_of_one_route_share_a_look() -> None:
    """Ten pages that are open at once cost one look; another route's page has its own."""
    looks, clock = Looks([{"now": "1"}]), Clock()
    feed = LiveFeed(looks, clock, every_s=1.0)
    async with asyncio.TaskGroup() as group:
        for route in ["triage"] * 10 + ["other"]:
            group.create_task(feed.told(route))
    assert sorted(str(route) for route in looks.taken) == ["other", "triage"]
    clock.now = 1.0
    await feed.told("triage")
    assert len(looks.taken) == 3


async def test_streams_are_bounded() -> None:
    """One stream too many is refused; one that is left makes room, though its page never read to the end."""
    feed = LiveFeed(Looks([{}]), Clock(), every_s=0.001)
    for _ in range(STREAMS):
        feed.enter()
    with pytest.raises(AskError, match="hint"):
        feed.enter()
    stream = feed.events(None)
    await anext(stream)
    await stream.aclose()
    feed.enter()
    assert feed.open == STREAMS
