"""Conversations that may go on: which requests are one, and when it is over. Pure."""

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass

from policies.events import PairEvent
from policies.rules import Units

CLOSINGS = 360
"""Times that conversations are closed while one falls silent: each time all that are open are looked through."""


@dataclass(slots=True)
class OpenUnit:
    """A conversation that may go on: its earliest requests, and when it was last heard of."""

    events: list[PairEvent]
    last_at: float
    counted: bool = False
    """Closed by its length; remembered until idle, so that its rest is not taken for another conversation."""


def joined(before: list[OpenUnit], event: PairEvent, rule: Units) -> list[OpenUnit]:
    """The open units of one name with one request more; an idle gap begins another of the same name."""
    gap = rule.close_after_s
    near: list[OpenUnit] = []
    far: list[OpenUnit] = []
    for unit in before:
        joins = unit.events[0].at - gap < event.at < unit.last_at + gap
        (near if joins else far).append(unit)
    found = OpenUnit([event], event.at)
    for unit in near:
        for other in unit.events:
            insort(found.events, other, key=lambda each: (each.at, each.id))
        found.last_at = max(found.last_at, unit.last_at)
        found.counted |= unit.counted
    del found.events[1 if found.counted else rule.max_pairs :]
    return [*far, found]


def over_at(unit: OpenUnit, rule: Units) -> float:
    """When it is over: idle for long enough, or as long as a unit may be."""
    return unit.events[-1].at if len(unit.events) >= rule.max_pairs else unit.last_at + rule.close_after_s


def goes_on(unit: OpenUnit, rule: Units, watermark_at: float) -> bool:
    """Whether it may still be joined by what lies behind the watermark."""
    return unit.last_at + rule.close_after_s > watermark_at


def closing_at(watermark_at: float, rule: Units) -> float:
    """The latest moment at which conversations are closed, by a watermark: `CLOSINGS` times in `close_after_s`."""
    return watermark_at - watermark_at % (rule.close_after_s / CLOSINGS)


def requests_in(units: Iterable[OpenUnit]) -> int:
    """How many requests conversations hold."""
    return sum(len(unit.events) for unit in units)


def still_open(units: Iterable[OpenUnit], rule: Units) -> tuple[int, float | None]:
    """How many units may still go on, and when the first of them is over if nothing more comes."""
    over = [over_at(unit, rule) for unit in units if not unit.counted]
    return len(over), min(over, default=None)
