"""Who may ask a candidate now, how many at once, and what a new table leaves of what is known."""

from dataclasses import dataclass
from typing import Any, cast

import msgspec
import pytest

from gateway.proxy.candidate_guard import FLOOR, Bulkhead, CandidateGuard, CandidateGuards
from gateway.proxy.counters import FIELDS, INDEX
from policies.routing import Breaker, CandidateLimits, Lease, Match, Route, Table, Upstream, Variant

UPSTREAMS = (Upstream("openai", "http://a/v1"), Upstream("vllm", "http://b/v1", "vllm"))
ROUTE = Route("r", Variant("openai"), candidate=Variant("vllm", model="m"), breaker=Breaker(consecutive=2))
IN_FLIGHT = 128
SHARE = IN_FLIGHT // 4


@dataclass
class Stand:
    """Guards, and their clock."""

    now: float = 0.0

    def __post_init__(self) -> None:
        self.live = memoryview(bytearray(8 * len(FIELDS))).cast("q")
        self.guards = CandidateGuards(cast(Any, None), lambda: self.now, self.live, in_flight=IN_FLIGHT)

    def serve(self, *routes: Route, upstreams: tuple[Upstream, ...] = UPSTREAMS) -> list[CandidateGuard]:
        """Serve by a table of these routes; their guards."""
        self.guards.adopt(Table(1, Lease(1.0), upstreams, "openai", routes=routes))
        return [self.guards.of(route) for route in routes]

    def count(self, name: str) -> int:
        """A live counter."""
        return self.live[INDEX[name]]


def route(**changed: Any) -> Route:
    return msgspec.structs.replace(ROUTE, **changed)


def fail(guard: CandidateGuard, times: int, reason: str = "server_error") -> None:
    for _ in range(times):
        guard.candidate_failed(guard.admit(pinned=False), reason)


CHANGED: dict[str, tuple[Route, bool]] = {
    # what the next table has: (the route, whether the breaker is still open)
    "the same": (ROUTE, True),
    "another weight": (route(weight_ppm=5), True),
    "another name": (route(name="s"), True),
    "other limits": (route(limits=CandidateLimits(whole_s=9.0)), True),
    "other breaker settings": (route(breaker=Breaker(consecutive=3)), False),
    "another model": (route(candidate=Variant("vllm", model="n")), False),
    "another revision": (route(candidate=Variant("vllm", model="m", revision="2")), False),
    "another upstream": (route(candidate=Variant("openai", model="m")), False),
}


def test_whose_breakers_are_open_is_told_by_the_tables_order() -> None:
    """Bit i stands for the table's route i; one that is asked freely, or has no candidate, has none."""
    stand = Stand()
    plain = Route("plain", Variant("openai"))
    _, ill = stand.serve(route(name="well", candidate=Variant("vllm", model="n")), route(name="ill"))
    stand.guards.adopt(Table(1, Lease(1.0), UPSTREAMS, "openai", routes=(plain, route(name="ill"))))
    assert stand.guards.open_routes == 0
    fail(ill, 2)
    assert stand.guards.open_routes == 0b10


@pytest.mark.parametrize("name", CHANGED)
def test_a_breaker_belongs_to_its_candidate_and_settings(name: str) -> None:
    """The next table keeps its state where both are the same, and an edit of either acts at once."""
    stand = Stand()
    (guard,) = stand.serve(ROUTE)
    fail(guard, 2)
    assert (guard.stops(pinned=False), stand.count("breaker_opened"), stand.guards.open_breakers) == ("breaker", 1, 1)
    changed, stays_open = CHANGED[name]
    (after,) = stand.serve(changed)
    assert after.stops(pinned=False) == ("breaker" if stays_open else None)
    assert stand.guards.open_breakers == stays_open


def test_a_server_that_moved_is_another_candidate() -> None:
    """An upstream of the same name at another address begins with a closed breaker."""
    stand = Stand()
    (guard,) = stand.serve(ROUTE)
    fail(guard, 2)
    (after,) = stand.serve(ROUTE, upstreams=(UPSTREAMS[0], Upstream("vllm", "http://c/v1", "vllm")))
    assert after.stops(pinned=False) is None


def test_an_open_breaker_outlives_a_table_without_its_route() -> None:
    """A policy file that is away for a moment gives its failing candidate nothing."""
    stand = Stand()
    (guard,) = stand.serve(ROUTE)
    fail(guard, 2)
    assert stand.serve() == []
    assert stand.guards.open_breakers == 0
    (after,) = stand.serve(ROUTE)
    assert after.stops(pinned=False) == "breaker"


def test_two_routes_to_one_candidate_share_its_breaker() -> None:
    """What one route learns holds for the other; without a model of its own each route has its own candidate."""
    stand = Stand()
    first, second = stand.serve(ROUTE, route(name="s"))
    fail(first, 2)
    assert (second.stops(pinned=False), stand.guards.open_breakers) == ("breaker", 1)
    plain = Variant("vllm")
    first, second = stand.serve(route(candidate=plain), route(name="s", candidate=plain, match=Match(model=("x",))))
    fail(first, 2)
    assert second.stops(pinned=False) is None


def test_a_route_holds_no_more_than_its_share() -> None:
    """Above it a request is the baseline's, pinned or not; each that ends, however it does, makes room for one."""
    stand = Stand()
    guard, other = stand.serve(ROUTE, route(name="s"))
    held = [guard.admit(pinned=False) for _ in range(SHARE)]
    assert (guard.stops(pinned=False), guard.stops(pinned=True), other.stops(pinned=False)) == ("busy", "busy", None)
    guard.candidate_abandoned(held[0])
    assert guard.stops(pinned=False) is None
    guard.admit(pinned=True)
    assert guard.stops(pinned=False) == "busy"
    guard.candidate_succeeded(held[1])
    assert guard.stops(pinned=False) is None
    guard.admit(pinned=False)
    guard.candidate_failed(held[2], "server_error")
    assert guard.stops(pinned=False) is None


def test_one_that_drips_keeps_its_room_until_it_is_over() -> None:
    """The breaker hears of it at once; as it ends, its room is free, and nothing more is told of it."""
    stand = Stand()
    (guard,) = stand.serve(route(limits=CandidateLimits(in_flight_ratio=2 / IN_FLIGHT)))
    held = [guard.admit(pinned=False) for _ in range(2)]
    guard.candidate_late(held[0], "too_slow")
    assert (guard.stops(pinned=False), guard.bulkhead.held, stand.count("candidate_errors")) == ("busy", 2, 1)
    guard.candidate_late(held[1], "too_slow")
    assert (guard.stops(pinned=False), stand.count("breaker_opened"), stand.count("candidate_errors")) == (
        "breaker",
        1,
        2,
    )
    for generation in held:
        guard.candidate_abandoned(generation)
    assert (guard.bulkhead.held, stand.guards.held, stand.count("candidate_errors")) == (0, 0, 2)


def test_all_candidates_together_leave_room_for_the_baselines() -> None:
    """However many routes hang at once, a quarter of what may be in flight is not theirs."""
    stand = Stand()
    guards = stand.serve(*(route(name=name) for name in "abcdefgh"))
    admitted = 0
    for guard in guards:
        while guard.stops(pinned=False) is None:
            guard.admit(pinned=False)
            admitted += 1
    assert admitted == IN_FLIGHT * 3 // 4


def test_what_it_holds_is_known_over_a_new_table() -> None:
    """A new table, with another share too, does not forget the requests that are under way."""
    stand = Stand()
    (guard,) = stand.serve(ROUTE)
    held = [guard.admit(pinned=False) for _ in range(SHARE)]
    (after,) = stand.serve(ROUTE)
    assert after.stops(pinned=False) == "busy"
    (wider,) = stand.serve(route(limits=CandidateLimits(in_flight_ratio=0.5)))
    assert wider.stops(pinned=False) is None
    (narrow,) = stand.serve(route(limits=CandidateLimits(in_flight_ratio=0.1)))
    for generation in held[:-11]:
        guard.candidate_succeeded(generation)
    assert (narrow.bulkhead.held, narrow.stops(pinned=False)) == (11, None)


def test_a_probe_always_has_room() -> None:
    """Requests that still hang at a candidate whose breaker opened do not keep the probe from finding out."""
    stand = Stand()
    (guard,) = stand.serve(ROUTE)
    for _ in range(SHARE - 2):
        guard.admit(pinned=False)
    fail(guard, 2, "timeout")
    stand.now = 5.0
    assert (guard.stops(pinned=False), guard.stops(pinned=True)) == (None, "busy")
    guard.admit(pinned=False)
    assert guard.stops(pinned=False) == "breaker"


def test_a_pin_is_asked_whatever_the_breaker_says() -> None:
    """And does not use up the probe, nor close the breaker."""
    stand = Stand()
    (guard,) = stand.serve(ROUTE)
    fail(guard, 2)
    assert guard.stops(pinned=True) is None
    stand.now = 5.0
    guard.candidate_succeeded(guard.admit(pinned=True))
    assert not guard.breaker.is_closed
    assert guard.stops(pinned=False) is None


def test_the_share_adapts_to_what_is_answered() -> None:
    """A timeout halves it, down to the floor; each answer gives one back, up to its most; other failures nothing."""
    stand = Stand()
    (guard,) = stand.serve(route(breaker=Breaker(consecutive=99, min_requests=99)))
    fail(guard, 1, "first_byte_timeout")
    assert guard.bulkhead.limit == SHARE // 2
    fail(guard, 1, "malformed")
    assert guard.bulkhead.limit == SHARE // 2
    fail(guard, 9, "overloaded")
    assert guard.bulkhead.limit == FLOOR
    for _ in range(2 * SHARE):
        guard.candidate_succeeded(guard.admit(pinned=False))
    assert guard.bulkhead.limit == SHARE


@pytest.mark.parametrize(("most", "limit"), [(0, 1), (3, 3)])
def test_a_small_share_is_its_own_floor(most: int, limit: int) -> None:
    """Where the worker itself may hold little, the floor is no more than the share, and never nothing."""
    bulkhead = Bulkhead(most)
    bulkhead.overloaded()
    assert bulkhead.limit == limit
