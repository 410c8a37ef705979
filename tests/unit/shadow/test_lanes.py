"""What a route's background calls may take."""

from shadow.lanes import DAY_S, MOVING_S, SLACK, DailySpend, Lane
from tests.rooms.drawing import ROUTE, drawn


def test_calls_take_turns():
    """So many are under way as may be, in the order they came; when one ends, the next may go."""
    lane = Lane(ROUTE, 0.0)
    calls = [drawn(number) for number in range(3)]
    for call in calls:
        assert lane.offer(call, 0.0)

    assert [lane.take(), lane.take(), lane.take()] == [calls[0], calls[1], None]
    lane.end(1.0, answered=True)
    assert (lane.take(), lane.take(), lane.in_flight) == (calls[2], None, 2)


def test_a_route_at_work_waits_a_little_longer():
    """While answers come, what one reading found waits although the queue is full, and reading on is held up."""
    lane = Lane(ROUTE, 0.0)
    for number in range(ROUTE.queue):
        assert not lane.holds_up(0.0)
        assert lane.offer(drawn(number), 0.0)

    assert lane.holds_up(MOVING_S)
    for number in range(SLACK):
        assert lane.offer(drawn(number), MOVING_S)
    assert not lane.offer(drawn(), MOVING_S)


def test_a_silent_route_holds_nobody_up():
    """Once a route has not answered for long, its queue sheds and the others' exchanges are read on."""
    lane = Lane(ROUTE, 0.0)
    for number in range(ROUTE.queue):
        lane.offer(drawn(number), 0.0)
    late = MOVING_S + 1.0

    assert not lane.holds_up(late)
    assert not lane.offer(drawn(), late)
    assert lane.take() is not None
    lane.end(late, answered=False)
    assert lane.offer(drawn(), late)
    assert not lane.holds_up(late)
    lane.take()
    lane.end(late, answered=True)
    lane.offer(drawn(), late)
    assert lane.holds_up(late)


def test_a_budget_is_of_a_day():
    """A route that has spent its money waits for tomorrow, beside others that have not."""
    budget = DailySpend()
    now = 20_000 * DAY_S
    budget.spend("support", 0.6, now)
    assert not budget.is_spent(ROUTE, now)
    budget.spend("support", 0.4, now + 5.0)
    budget.spend("other", 0.0, now)

    assert budget.is_spent(ROUTE, now + 6.0)
    assert budget.is_spent(ROUTE, now - DAY_S), "a clock that was set back gives nothing"
    assert DailySpend.of(budget.day, budget.spent_usd).is_spent(ROUTE, now + 6.0)
    assert not budget.is_spent(ROUTE, now + DAY_S)


def test_no_budget_is_none():
    """A route without money is asked nothing, not even what costs nothing."""
    assert DailySpend().is_spent(drawn(route=ROUTE).route, 0.0) is False
    assert DailySpend(1, {"support": 1.0}).is_spent(ROUTE, DAY_S)


def test_what_waits_is_weighed():
    """Both bodies count for the memory that a call takes while it waits."""
    call = drawn(request=b"x" * 1000, response=b"y" * 500)

    assert 1500 < call.size_bytes < 4000
    assert call.key == (call.exchange.meta.id, "candidate")
