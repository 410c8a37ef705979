"""Says that something is away: once when it goes, then seldom, and once when it is back."""

from dataclasses import dataclass, field

from gateway.log import Log

EVERY_S = 10.0
"""How often it is said again while it lasts, whatever the reasons."""


@dataclass(slots=True)
class Outage:
    """The shared state's outages, in the log."""

    log: Log
    _began: float | None = field(default=None, init=False)
    _said: float = field(default=float("-inf"), init=False)

    def told(self, reason: str, now: float) -> None:
        """It is away; `now` is monotonic."""
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
        """It is there, again or still."""
        if self._began is not None and self._said >= self._began:
            self.log.info("state.back", lasted_s=round(now - self._began, 1))
        self._began = None
