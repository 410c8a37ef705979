"""Each route's rollout as it was last readable: one that is damaged, or of a newer node, costs its own route alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.control.leader.persistence import read_rollout
from gateway.control.state.port import StateDamagedError, Stored
from policies.rollout import Rollout


@dataclass(slots=True)
class KnownRollouts:
    """The rollouts, and since when each could not be read."""

    reasons: dict[str, str] = field(default_factory=dict[str, str], init=False)
    """Why a route's rollout cannot be read now."""
    _read: dict[str, tuple[Stored, Rollout]] = field(default_factory=dict[str, tuple[Stored, Rollout]], init=False)
    _since: dict[str, float] = field(default_factory=dict[str, float], init=False)

    def take(self, stored: Mapping[str, Stored], now: float) -> None:
        """Read what is stored. `now`: monotonic."""
        self.reasons = {}
        for route, each in stored.items():
            known = self._read.get(route)
            if known is None or known[0] != each:
                try:
                    self._read[route] = (each, read_rollout(each).rollout)
                except StateDamagedError as error:
                    self.reasons[route] = str(error)
        self._since = {route: self._since.get(route, now) for route in self.reasons}

    def get(self, route: str) -> Rollout | None:
        """What was last readable; None: nothing yet."""
        known = self._read.get(route)
        return None if known is None else known[1]

    def raised(self, routes: Iterable[str]) -> dict[str, int]:
        """Those of them that have any weight, or come back to one from a suspension, with it."""
        known = {route: self.get(route) for route in routes}
        return {route: each.place_ppm for route, each in known.items() if each is not None and each.place_ppm}

    def unread_s(self, route: str, now: float) -> float:
        """How long it could not be read; 0: it can."""
        return max(0.0, now - self._since.get(route, now))
