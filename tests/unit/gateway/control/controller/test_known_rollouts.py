from dataclasses import replace

from gateway.control.controller.known_rollouts import KnownRollouts
from gateway.control.leader.persistence import rollout_bytes
from gateway.control.state.port import UNREADABLE, Stored
from policies.rollout import Rollout
from tests.rooms.kept_rollouts import CANARY


def kept(rollout: Rollout, version: int = 1) -> Stored:
    """A rollout as the shared state has it."""
    return Stored(version, 1, rollout.weight_ppm, rollout_bytes(rollout, None), 10.0, "test")


def test_a_rollout_that_cannot_be_read_costs_its_own_route_alone() -> None:
    """Its last readable state stays at hand, with why and for how long; the other route's is the newest."""
    known, later = KnownRollouts(), replace(CANARY, seen_at=99.0)
    known.take({"a": kept(CANARY), "b": kept(CANARY)}, 100.0)
    assert known.reasons == {}
    known.take({"a": replace_bytes(kept(CANARY, 2)), "b": kept(later, 2)}, 110.0)
    assert known.get("a") == CANARY
    assert known.get("b") == later
    assert list(known.reasons) == ["a"]
    assert "damaged, or of another version" in known.reasons["a"]
    assert (known.unread_s("a", 117.0), known.unread_s("b", 117.0)) == (7.0, 0.0)


def test_how_long_it_was_unread_counts_from_the_first_time_and_ends_when_it_is_read() -> None:
    """Each look at the same damage adds to it; a readable one takes its place, and the next damage counts anew."""
    known = KnownRollouts()
    for now in (10.0, 20.0, 30.0):
        known.take({"a": UNREADABLE}, now)
        assert known.unread_s("a", now) == now - 10.0
    assert known.get("a") is None
    known.take({"a": kept(CANARY)}, 40.0)
    assert (known.get("a"), known.unread_s("a", 50.0), known.reasons) == (CANARY, 0.0, {})
    known.take({"a": UNREADABLE}, 60.0)
    assert known.unread_s("a", 61.0) == 1.0


def test_those_that_have_a_weight() -> None:
    """Of the rollouts that are asked about: at 0 and never read is none."""
    known = KnownRollouts()
    known.take({"a": kept(CANARY), "b": kept(CANARY)}, 10.0)
    assert known.raised(["a", "c"]) == {"a": CANARY.weight_ppm}


def replace_bytes(stored: Stored) -> Stored:
    """The same, torn."""
    return Stored(stored.version, stored.epoch, stored.weight_ppm, b"{", stored.written_at, stored.by)
