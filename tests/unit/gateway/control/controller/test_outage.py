import io
import json

from gateway.control.controller.outage import EVERY_S, OUTBOX, Outage, hint_of
from gateway.log import Log


def lines(stream: io.StringIO) -> list[tuple[str, float]]:
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [(each["event"], each.get("lasts_s", each.get("lasted_s"))) for each in found]


def test_an_outage_is_said_seldom() -> None:
    """Once when it begins, whatever its reasons once in ten seconds, and once when it is over."""
    stream = io.StringIO()
    outage = Outage(Log("controller", stream=stream))
    outage.over(0.0)
    for tick in range(100):
        outage.told(f"reason {tick}", 1.0 + tick / 4)
    outage.over(30.0)
    outage.over(31.0)
    assert lines(stream) == [
        ("state.away", 0.0), ("state.away", EVERY_S), ("state.away", 2 * EVERY_S), ("state.back", 29.0),
    ]  # fmt: skip


def test_an_outage_that_comes_and_goes_is_said_as_seldom() -> None:
    """One that is over before it would be said again is not said, and neither is its end."""
    stream = io.StringIO()
    outage = Outage(Log("controller", stream=stream))
    for tick in range(30):
        outage.told("away", float(tick))
        outage.over(tick + 0.5)
    assert lines(stream) == [("state.away", 0.0), ("state.back", 0.5)] * 3


def test_a_trouble_says_what_to_do() -> None:
    """By the beginning of its name; of what nobody foresaw, what holds meanwhile."""
    assert hint_of(f"{OUTBOX}triage") == "give every node the same policies"
    assert "crossfade kill" in hint_of("orders")
    assert hint_of("journals") == "the last table stays until its lease is over"
