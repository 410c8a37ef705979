"""How much feedback is taken."""

from gateway.proxy.feedback_budget import CALLER_BYTES, MOST_CALLERS, WORKER_BYTES, WORKER_RATE, FeedbackBudget

SIZE = 200_000


def test_a_caller_may_say_so_much_at_once_and_then_slowly():
    """What was not said can be said later; others are not held up by it."""
    budget = FeedbackBudget()
    taken = [budget.take("a", SIZE, 0.0) for _ in range(10)]

    assert taken == [True] * (CALLER_BYTES // SIZE) + [False] * (10 - CALLER_BYTES // SIZE)
    assert budget.take("b", SIZE, 0.0)
    assert not budget.take("a", SIZE, 1.0)
    assert budget.take("a", SIZE, 4.0)


def test_callers_that_are_made_up_have_one_bound_together():
    """Five seconds of flooding under ever new keys take what the worker's bucket holds, and no more."""
    budget = FeedbackBudget()
    taken = sum(SIZE * budget.take(f"k{step}", SIZE, step / 1000) for step in range(5000))

    assert WORKER_BYTES <= taken <= WORKER_BYTES + 5 * WORKER_RATE


def test_short_ones_count_too():
    """A flood of votes without words is bounded as well, and so is what is remembered of callers."""
    budget = FeedbackBudget()
    taken = sum(budget.take(f"k{step}", 1, 0.0) for step in range(50_000))

    assert taken == WORKER_BYTES // 256
    assert len(budget._callers) <= MOST_CALLERS


def test_a_clock_that_stands_gives_nothing():
    """Time that does not pass, or goes back, fills no bucket."""
    budget = FeedbackBudget()
    while budget.take("a", SIZE, 5.0):
        pass

    assert not budget.take("a", SIZE, 5.0)
    assert not budget.take("a", SIZE, 1.0)
