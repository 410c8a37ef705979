"""A canary as the shared state keeps it."""

from dataclasses import replace

import msgspec

from gateway.control.state.port import Stored
from gateway.control.state.sqlite import SqliteState
from policies.rollout import Rollout, start
from policies.routing import Lease, Route, Table, Upstream, Variant, encode
from policies.terms import Phase
from tests.rooms.rollouts import RULES

NOW = 1_800_000_000.0
CANARY = replace(start(RULES), stage=1, phase=Phase.CANARY)


def keep(state: SqliteState, rollout: Rollout) -> None:
    epoch = state.lead("n1", NOW)
    assert epoch is not None
    new = Stored(0, 0, rollout.weight_ppm, msgspec.json.encode(rollout), NOW, "n1")
    kept = state.rollouts().get("triage")
    assert state.store("triage", new, expected=kept.version if kept else 0, epoch=epoch)


def served(weight_ppm: int) -> bytes:
    """A routing table that gives the candidate so much."""
    route = Route("triage", Variant("openai"), candidate=Variant("openai"), weight_ppm=weight_ppm)
    upstream = Upstream("openai", "http://127.0.0.1:9/v1")
    return encode(Table(1, Lease(0.0, 60.0, 60.0), (upstream,), "openai", routes=(route,)))
