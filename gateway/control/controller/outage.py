"""Logs an outage: once at its start, then seldom, once at its end; with what to do meanwhile."""

from dataclasses import dataclass, field

from gateway.log import Log

EVERY_S = 10.0
"""How often it is said again while it lasts, whatever the reasons."""
OUTBOX = "outbox "
"""Begins the name of a trouble with one route's events; what follows is the route."""
STAYS = "the last table stays until its lease is over"
HINTS = {
    OUTBOX: "give every node the same policies",
    "route ": "its weight is only lowered, and 0 after the lease's grace; run the same version on every node, or "
    "`crossfade rollback ROUTE --reason …`",
    "orders": "operators' orders wait; `crossfade kill` needs none of them",
    "kill": "use `crossfade kill` on this node, too, if it should be off",
    "served": "it is tried again; exchanges count, unless the controller ends before",
    "keys": "keys are as in the last table: a revocation waits; `crossfade doctor` says more",
    "shared": "no weight rises meanwhile",
}
"""What to do, by the beginning of a trouble's name."""


@dataclass(slots=True)
class Outage:
    """The shared state's outages, in the log."""

    log: Log
    _began: float | None = field(default=None, init=False)
    _said: float = field(default=float("-inf"), init=False)

    def told(self, reason: str, now: float) -> None:
        """Report that it is away; `now` is monotonic."""
        if self._began is None:
            self._began = now
        if now - self._said >= EVERY_S:
            self._said = now
            self.log.alarm(
                "state.away",
                reason=reason,
                lasts_s=round(now - self._began, 1),
                hint="no weight rises and no lease is renewed meanwhile; traffic is not affected before the lease ends",
            )

    def over(self, now: float) -> None:
        """Report that it is there."""
        if self._began is not None and self._said >= self._began:
            self.log.info("state.back", lasted_s=round(now - self._began, 1))
        self._began = None


def hint_of(name: str) -> str:
    """What to do about a trouble, by its name."""
    return next((hint for begin, hint in HINTS.items() if name.startswith(begin)), STAYS)
