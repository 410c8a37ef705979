"""What a route's background calls may take."""

from shadow.lanes import DAY_S, MOVING_S, SLACK, DailySpend, Lane
from tests.rooms.drawing import ROUTE, drawn, route


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
    assert DailySpend.of(budget.day, budget.spent_usd, {}).is_spent(ROUTE, now + 6.0)
    assert not budget.is_spent(ROUTE, now + DAY_S)


def test_a_days_money_comes_evenly():
    """Of calls that would cost five times as much as there is, each hour pays for as many."""
    budget, day, paid = DailySpend(), 20_000 * DAY_S, [0] * 48
    for at in range(0, 2 * int(DAY_S), 20):
        if at % 3600 == 0:  # a restart loses nothing, and gives nothing
            budget = DailySpend.of(budget.day, budget.spent_usd, budget.allowances)
        if not budget.must_wait(ROUTE, day + at):
            budget.spend("support", 5.0 / (DAY_S / 20), day + at)
            paid[at // 3600] += 1
    saved, evenly = paid[:4], paid[4:]
    assert max(evenly) <= 1.1 * min(evenly), "from then on every hour of both days pays for as many"
    assert sum(saved) > 1.5 * sum(evenly[:4]), "what was saved is spent at once"
    assert sum(paid[:24]) <= DAY_S / 20 / 5 + 1, "the day's budget is the most"
    assert sum(paid[:24]) >= 0.95 * DAY_S / 20 / 5


def test_what_was_begun_is_paid_to_its_end():
    """While the day has money a call under way may be judged, although nothing new is begun."""
    budget, now = DailySpend(), 20_000 * DAY_S
    assert not budget.must_wait(ROUTE, now)
    budget.spend("support", 0.2, now)
    assert budget.must_wait(ROUTE, now)
    assert not budget.is_spent(ROUTE, now)
    assert budget.must_wait(ROUTE, now - 3600.0), "a clock that was set back gives nothing"
    assert not budget.must_wait(ROUTE, now + DAY_S / 8)


def test_no_budget_is_none():
    """A route without money is asked nothing, not even what costs nothing."""
    assert DailySpend().is_spent(drawn(route=ROUTE).route, 0.0) is False
    assert DailySpend(1, {"support": 1.0}).is_spent(ROUTE, DAY_S)


def test_what_waits_is_weighed():
    """Both bodies count for the memory that a call takes while it waits."""
    call = drawn(request=b"x" * 1000, response=b"y" * 500)

    assert 1500 < call.size_bytes < 4000
    assert call.key == (call.exchange.meta.id, "candidate", "support")


def test_candidates_of_one_route_share_its_money():
    """What was spent for one of them is spent for all, and for no other route."""
    small, large = route(route="support@small"), route(route="support@large")
    spent = DailySpend(day=1)
    spent.spend(small.route, 1.0, DAY_S)

    assert spent.is_spent(large, DAY_S)
    assert not spent.is_spent(route(route="other@large"), DAY_S)
    assert spent.spent_usd == {"support": 1.0}
