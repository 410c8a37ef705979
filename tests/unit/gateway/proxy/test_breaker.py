"""When a worker stops asking a failing candidate, and when it tries again."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.proxy.breaker import LAST_PROBES, NOT_ADMITTED, CircuitBreaker
from policies.routing import Breaker as Settings

SETTINGS = Settings(consecutive=3, ratio=0.2, min_requests=10, window_s=10.0, open_s=5.0, max_open_s=20.0)
ROUNDS = [2**power for power in range(LAST_PROBES.bit_length())]


def ask(breaker: CircuitBreaker, now: float) -> int:
    generation = breaker.admit(now)
    assert generation != NOT_ADMITTED
    return generation


def answers(breaker: CircuitBreaker, now: float) -> None:
    breaker.succeeded(ask(breaker, now), now)


def fails(breaker: CircuitBreaker, now: float) -> bool:
    return breaker.failed(ask(breaker, now), now)


def opened(now: float = 0.0) -> CircuitBreaker:
    breaker = CircuitBreaker(SETTINGS)
    assert [fails(breaker, now) for _ in range(3)] == [False, False, True]
    return breaker


def test_failures_in_a_row_open_it() -> None:
    """The stated number of failures without a success between them opens it, at the next request."""
    breaker = CircuitBreaker(SETTINGS)
    fails(breaker, 0)
    fails(breaker, 0)
    answers(breaker, 0)
    assert not fails(breaker, 0)
    assert breaker.allows(0)
    assert not opened().allows(0)


def test_too_many_failures_among_many_open_it() -> None:
    """More than the stated share of at least so many within the window opens it."""
    breaker = CircuitBreaker(SETTINGS)
    for number in range(9):
        answers(breaker, number / 10)
    assert not fails(breaker, 1.0)  # 1 of 10
    answers(breaker, 1.0)
    assert not fails(breaker, 1.0)  # 2 of 12
    answers(breaker, 1.0)
    assert fails(breaker, 1.0)  # 3 of 14: over a fifth


@pytest.mark.parametrize(("later", "opens"), [(9.0, True), (10.5, False)])
def test_what_is_older_than_the_window_does_not_count(later: float, opens: bool) -> None:  # noqa: FBT001 -- a table
    """Failures that the window has left are forgotten."""
    breaker = CircuitBreaker(SETTINGS)
    for _ in range(2):
        fails(breaker, 0.0)
        answers(breaker, 0.0)
    for _ in range(6):
        answers(breaker, later)
    assert fails(breaker, later) is opens


def test_a_candidate_that_comes_back_gets_twice_what_it_has_just_answered() -> None:
    """After the open time a single probe is let through, then two, and so on; the last round closes the breaker."""
    breaker = opened()
    assert not breaker.allows(4.9)
    for probes in ROUNDS:
        assert not breaker.is_closed
        generations = [ask(breaker, 5.0) for _ in range(probes)]
        assert breaker.admit(5.0) == NOT_ADMITTED
        for generation in generations:
            breaker.succeeded(generation, 5.1)
    assert breaker.is_closed
    assert all(breaker.admit(5.1) for _ in range(100))


def test_a_failed_probe_doubles_the_time_up_to_a_limit() -> None:
    """Each failing probe opens it for twice as long, never longer than told; once it closed, that starts over."""
    breaker, now = opened(), 0.0
    for open_s in (5.0, 10.0, 20.0, 20.0):
        assert not breaker.allows(now + open_s - 0.1)
        now += open_s
        assert not fails(breaker, now)
    now += 20.0
    for _ in range(sum(ROUNDS)):
        answers(breaker, now)
    assert breaker.is_closed
    for _ in range(3):
        fails(breaker, now)
    assert breaker.allows(now + 5.0)


def test_one_failure_of_a_later_round_opens_it_again() -> None:
    """A candidate that answers some probes and fails one is asked no more, whatever the others of its round say."""
    breaker = opened()
    answers(breaker, 5.0)
    first, second = ask(breaker, 5.0), ask(breaker, 5.0)
    breaker.failed(first, 6.0)
    breaker.succeeded(second, 6.0)
    assert not breaker.allows(15.9)
    assert breaker.allows(16.0)


def test_a_probe_that_told_nothing_leaves_room_for_another() -> None:
    """A probe whose app hung up does not keep the breaker half open for ever."""
    breaker = opened()
    breaker.abandoned(ask(breaker, 5.0))
    assert breaker.allows(5.0)


@pytest.mark.parametrize("answered", [True, False])
def test_what_was_sent_before_it_opened_changes_nothing(*, answered: bool) -> None:
    """Late answers close nothing, late failures lengthen nothing, also while a probe is out."""
    breaker = CircuitBreaker(SETTINGS)
    late = [ask(breaker, 0.0) for _ in range(3)]
    for _ in range(3):
        fails(breaker, 0.0)
    tell = breaker.succeeded if answered else breaker.failed
    tell(late[0], 1.0)
    assert not breaker.allows(4.9)
    probe = ask(breaker, 5.0)
    tell(late[1], 5.0)
    breaker.abandoned(late[2])
    assert not breaker.allows(100.0)
    breaker.succeeded(probe, 5.0)
    assert breaker.allows(5.0)


def test_a_candidate_that_fails_every_second_request_is_left() -> None:
    """Of 800 requests at 20 a second, answered half a second later, few are still sent to it."""
    breaker, sent = CircuitBreaker(Settings()), 0
    under_way: list[tuple[float, int, bool]] = []
    for number in range(800):
        now = number / 20
        while under_way and under_way[0][0] <= now:
            at, generation, good = under_way.pop(0)
            if good:
                breaker.succeeded(generation, at)
            else:
                breaker.failed(generation, at)
        generation = breaker.admit(now)
        if generation != NOT_ADMITTED:
            sent += 1
            under_way.append((now + 0.5, generation, sent % 2 == 0))
    assert sent < 50


def test_a_pinned_request_is_heard_of_only_while_it_is_closed() -> None:
    """What is sent whatever the breaker says counts while it is closed, and neither closes nor opens it else."""
    breaker = CircuitBreaker(SETTINGS)
    assert [breaker.failed(breaker.pin_generation, 0.0) for _ in range(3)] == [False, False, True]
    breaker.succeeded(breaker.pin_generation, 5.0)
    ask(breaker, 5.0)
    breaker.succeeded(breaker.pin_generation, 5.0)
    assert not breaker.is_closed
    assert not breaker.allows(5.0)


@dataclass
class Model:
    """What a breaker may at most do, told without generations."""

    now: float = 0.0
    closed: bool = True
    reopen_s: float = 0.0
    """Not asked before."""
    open_s: float = SETTINGS.open_s
    epoch: int = 0
    """Rises with each opening, round and closing."""
    out: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Requests under way: generation and the epoch they were sent in."""
    good: int = 0
    probes: int = 1


ACTIONS = st.lists(
    st.tuples(st.sampled_from(("ask", "ask", "ask", "wait", "answer", "fail", "leave")), st.integers(0, 40)),
    max_size=200,
)


@given(ACTIONS)
@settings(deadline=None, max_examples=300)
def test_it_never_asks_more_than_it_may_and_only_probes_close_it(actions: list[tuple[str, int]]) -> None:
    """However sends, outcomes and time interleave: nothing before its time, no more than a round, closed by rounds."""
    breaker, model = CircuitBreaker(SETTINGS), Model()
    for action, number in actions:
        if action == "wait":
            model.now += number / 4
            continue
        if action == "ask":
            _ask(breaker, model)
        elif model.out:
            _tell(breaker, model, action, model.out.pop(number % len(model.out)))
        assert breaker.is_closed is model.closed


def _ask(breaker: CircuitBreaker, model: Model) -> None:
    probing = sum(epoch == model.epoch for _, epoch in model.out) + model.good
    may = model.closed or (model.now >= model.reopen_s and probing < model.probes)
    assert breaker.allows(model.now) is may
    generation = breaker.admit(model.now)
    assert (generation != NOT_ADMITTED) is may
    if may:
        model.out.append((generation, model.epoch))


def _tell(breaker: CircuitBreaker, model: Model, action: str, request: tuple[int, int]) -> None:
    generation, epoch = request
    is_late = epoch != model.epoch
    if action == "leave":
        breaker.abandoned(generation)
    elif action == "answer":
        breaker.succeeded(generation, model.now)
        if not is_late and not model.closed:
            model.good += 1
            if model.good == model.probes:
                model.closed = model.probes == LAST_PROBES
                model.open_s = SETTINGS.open_s if model.closed else model.open_s
                _turn(model, model.probes * 2)
    else:
        has_opened = breaker.failed(generation, model.now)
        assert not (has_opened and (is_late or not model.closed))
        if is_late or (model.closed and not has_opened):
            return
        model.open_s = model.open_s if model.closed else min(model.open_s * 2, SETTINGS.max_open_s)
        model.closed, model.reopen_s = False, model.now + model.open_s
        _turn(model, 1)


def _turn(model: Model, probes: int) -> None:
    model.epoch += 1
    model.good, model.probes = 0, probes
