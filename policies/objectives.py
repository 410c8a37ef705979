"""What a policy promises apps, as service level objectives: what error budgets are counted from. Pure.

Rules:
1. They are numbers that the policy has anyway: `guards.error_rate` is the share of answers that may fail, and a limit
   of `gates.latency` in seconds is the app's own objective. A multiple of the baseline's is none: it promises no time.
2. They hold for all answers of the route, whoever gave them: an app does not know of variants.
"""

from dataclasses import dataclass
from typing import Literal

from policies.candidates import route_of
from policies.schema import Policy

DAYS = 30
"""The time over which a budget is counted."""


@dataclass(frozen=True, slots=True)
class Objective:
    """One promise: of a route's answers at most `tolerated` are bad."""

    route: str
    measure: Literal["errors", "ttft", "total"]
    """What makes an answer bad: it failed, its first token came late, its last one did."""
    tolerated: float
    """The error budget: this part of all answers."""
    limit_s: float | None = None
    """What is late; None: nothing is, it is about failing."""

    @property
    def name(self) -> str:
        """`availability`, `ttft-p95`: what is promised."""
        return "availability" if self.measure == "errors" else f"{self.measure}-p{self._percent}"

    @property
    def key(self) -> str:
        """`ttft_p95`: where the policy says it, below `gates.latency`."""
        return f"{self.measure}_p{self._percent}"

    @property
    def _percent(self) -> str:
        return f"{(1 - self.tolerated) * 100:.0f}"


def objectives(policy: Policy) -> tuple[Objective, ...]:
    """All promises of a policy: that answers come, and how fast."""
    route, gate = route_of(policy.route), policy.gates.latency
    late = [limit for limit in (() if gate is None else gate.limits) if limit.limit_s is not None]
    return (
        Objective(route, "errors", policy.guards.error_rate),
        *(Objective(route, limit.measure, round(1 - limit.quantile, 2), limit.limit_s) for limit in late),
    )
