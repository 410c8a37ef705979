"""When a worker stops asking a failing candidate, and when it tries again."""

import pytest

from gateway.proxy.breaker import CircuitBreaker
from policies.routing import Breaker as Settings

SETTINGS = Settings(consecutive=3, ratio=0.2, min_requests=10, window_s=10.0, open_s=5.0, max_open_s=20.0)


def opened(now: float = 0.0) -> CircuitBreaker:
    breaker = CircuitBreaker(SETTINGS)
    assert [breaker.failed(now) for _ in range(3)] == [False, False, True]
    return breaker


def test_failures_in_a_row_open_it() -> None:
    """The stated number of failures without a success between them opens it, at the next request."""
    breaker = CircuitBreaker(SETTINGS)
    breaker.failed(0)
    breaker.failed(0)
    breaker.succeeded(0)
    assert not breaker.failed(0)
    assert breaker.allows(0)
    assert not opened().allows(0)


def test_too_many_failures_among_many_open_it() -> None:
    """More than the stated share of at least so many within the window opens it."""
    breaker = CircuitBreaker(SETTINGS)
    for number in range(9):
        breaker.succeeded(number / 10)
    assert not breaker.failed(1.0)  # 1 of 10
    breaker.succeeded(1.0)
    assert not breaker.failed(1.0)  # 2 of 12
    breaker.succeeded(1.0)
    assert breaker.failed(1.0)  # 3 of 14: over a fifth


@pytest.mark.parametrize(("later", "opens"), [(9.0, True), (10.5, False)])
def test_what_is_older_than_the_window_does_not_count(later: float, opens: bool) -> None:  # noqa: FBT001 -- a table
    """Failures that the window has left are forgotten."""
    breaker = CircuitBreaker(SETTINGS)
    for _ in range(2):
        breaker.failed(0.0)
        breaker.succeeded(0.0)
    for _ in range(6):
        breaker.succeeded(later)
    assert breaker.failed(later) is opens


def test_one_probe_finds_out() -> None:
    """After the open time a single request is let through; its success closes the breaker."""
    breaker = opened()
    assert not breaker.allows(4.9)
    assert breaker.allows(5.0)
    assert not breaker.allows(5.0)
    breaker.succeeded(5.1)
    assert breaker.allows(5.1)
    assert breaker.allows(5.1)


def test_a_failed_probe_doubles_the_time_up_to_a_limit() -> None:
    """Each failing probe opens it for twice as long, never longer than told; a success starts over."""
    breaker, now = opened(), 0.0
    for open_s in (5.0, 10.0, 20.0, 20.0):
        assert not breaker.allows(now + open_s - 0.1)
        now += open_s
        assert breaker.allows(now)
        assert not breaker.failed(now)
    assert breaker.allows(now + 20.0)
    breaker.succeeded(now + 20.0)
    for _ in range(3):
        breaker.failed(now + 20.0)
    assert breaker.allows(now + 25.0)


def test_a_probe_that_told_nothing_leaves_room_for_another() -> None:
    """A probe whose app hung up does not keep the breaker half open for ever."""
    breaker = opened()
    assert breaker.allows(5.0)
    breaker.abandoned()
    assert breaker.allows(5.0)


def test_failures_of_requests_that_were_under_way_change_nothing() -> None:
    """Late failures of an open breaker neither open it again nor lengthen its time."""
    breaker = opened()
    assert not breaker.failed(1.0)
    assert breaker.allows(5.0)


def test_after_a_success_old_failures_are_forgotten() -> None:
    """A breaker that closed begins with an empty window."""
    breaker = opened()
    breaker.allows(5.0)
    breaker.succeeded(5.0)
    assert not breaker.failed(5.0)
    assert breaker.allows(5.0)
