"""What was decided, read from the shared state as every command reads it."""

import contextlib
from dataclasses import dataclass, field

from gateway.control.state.port import Decided, SharedState, StateDownError
from policies import explain
from policies.rollout import Decision


@dataclass(slots=True)
class DecisionWatch:
    """One route's decisions, each seen once."""

    state: SharedState
    route: str
    look: Decision | None = field(default=None, init=False)
    """What was last found, moved or not."""
    _seen: set[str] = field(default_factory=set[str], init=False)

    def news(self) -> list[tuple[Decided, Decision]]:
        """Decisions since the last call, oldest first; none while the state cannot be read."""
        found: list[tuple[Decided, Decision]] = []
        with contextlib.suppress(StateDownError, explain.RecordError):
            for kept in reversed(self.state.decisions(self.route, 50)):
                if kept.id not in self._seen:
                    self._seen.add(kept.id)
                    found.append((kept, explain.decode(kept.record).decision))
            looked = self.state.looks().get(self.route)
            if looked is not None:
                self.look = explain.decode(looked.record).decision
        return found
