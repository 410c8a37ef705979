"""Which requests are one conversation, and when it is over."""

from policies.open_units import CLOSINGS, OpenUnit, closing_at, goes_on, joined, over_at, requests_in
from policies.rules import Units
from tests.rooms.pair_events import pair

RULE = Units(close_after_s=10.0, max_pairs=3)


def test_what_is_near_in_time_is_one_conversation():
    """Requests join in the order of their times; an idle gap begins another."""
    units: list[OpenUnit] = []
    for at in (0.0, 8.0, 4.0, 30.0):
        units = joined(units, pair("u", at), RULE)
    assert [[event.at for event in unit.events] for unit in units] == [[0.0, 4.0, 8.0], [30.0]]
    assert requests_in(units) == 4


def test_a_request_between_two_makes_them_one():
    """Late to come, it bridges the gap; what is longer than a unit may be is cut."""
    units = joined([], pair("u", 0.0), RULE)
    units = joined(units, pair("u", 15.0), RULE)
    units = joined(units, pair("u", 9.0), RULE)
    assert [[event.at for event in unit.events] for unit in units] == [[0.0, 9.0, 15.0]]


def test_it_is_over_when_silent_or_long_enough():
    """Its last request's time where it is as long as it may be, else that and the silence."""
    short, long = OpenUnit([pair("u", 1.0)], 1.0), OpenUnit([pair("u", float(at)) for at in (1, 2, 3)], 3.0)
    assert (over_at(short, RULE), over_at(long, RULE)) == (11.0, 3.0)
    assert (goes_on(short, RULE, 10.0), goes_on(short, RULE, 11.0)) == (True, False)


def test_conversations_are_closed_now_and_then():
    """All that are open are looked through some hundred times while one falls silent, however often it is asked."""
    asked = [number / 100 for number in range(1000)]  # ten seconds: one silence
    moments = {closing_at(at, RULE) for at in asked}
    assert len(moments) == CLOSINGS
    assert all(0 <= at - closing_at(at, RULE) <= RULE.close_after_s / CLOSINGS for at in asked)
