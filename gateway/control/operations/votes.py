"""What users' votes say of a rollout, for whoever explains it: read from this node's records, held against each other.

Nothing that decides comes here: votes alarm, and move nothing (`policies.votes`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import duckdb

from gateway.control.controller.status import read_status
from gateway.control.state.port import Decided
from gateway.node.datadir import DataDir
from policies import explain
from policies.candidates import route_of
from policies.explain import RecordError
from policies.votes import Voters, Votes, weigh
from records.feedback import voters
from records.store import Store


@dataclass(frozen=True, slots=True)
class VoteSummary:
    """The votes, or why there are none to show; neither where the policy does not ask for them."""

    votes: Votes | None = None
    problem: str | None = None


def find(data: DataDir, look: Decided, *, now: float, told: Callable[[str], None] = lambda _: None) -> VoteSummary:
    """The votes on answers of the candidate that was last looked at, and of the baseline beside it.

    `told`: see `Store`.
    """
    window_s = _window_s(data, look.route)
    if window_s is None:
        return VoteSummary()
    try:
        revision = explain.decode(look.record).decision.rollout.key.revision
        since_us = max(0, int((now - window_s) * 1_000_000))
        cast = voters(Store(data.records, told), route_of(look.route), revision, since_us=since_us)
    except (OSError, duckdb.Error, RecordError) as error:
        return VoteSummary(problem=f"votes cannot be read now: {type(error).__name__}")
    return VoteSummary(weigh(Voters(*cast.get("candidate", (0, 0.0))), Voters(*cast.get("baseline", (0, 0.0)))))


def _window_s(data: DataDir, route: str) -> float | None:
    """What this node's policy in force says."""
    status = read_status(data.controller_status)
    said = () if status is None else status.policies
    return next((policy.votes_window_s for policy in said if policy.route == route_of(route)), None)
