"""The files that others write for the shadow: its plan, the routing table, the kill file, prices. They are polled."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from gateway.control import prices
from policies import routing
from shadow import plan as shadow_plan
from shadow.plan import ShadowPlan


@dataclass(slots=True)
class ShadowInputs:
    """Each file is read when it has changed; one that cannot be read leaves what was read before."""

    plan_path: Path
    routing_path: Path
    kill_path: Path
    gpu_path: Path
    _seen: dict[Path, tuple[int, int, int] | None] = field(
        default_factory=dict[Path, tuple[int, int, int] | None], init=False
    )

    def plan(self) -> ShadowPlan | None:
        """What the controller says, if that is new."""
        return shadow_plan.read(self.plan_path) if self._has_changed(self.plan_path) else None

    def table(self) -> routing.Table | None:
        """The routing table, if it is new."""
        if not self._has_changed(self.routing_path):
            return None
        try:
            return routing.decode(self.routing_path.read_bytes())
        except (OSError, routing.RoutingError):
            return None

    def usd_per_answer(self) -> dict[str, float | None] | None:
        """What an answer costs of servers that are paid by the hour, if that is new."""
        return prices.usd_per_answer(self.gpu_path) if self._has_changed(self.gpu_path) else None

    def killed(self) -> bool:
        """Whether the kill file exists."""
        return os.path.exists(self.kill_path)

    def _has_changed(self, path: Path) -> bool:
        try:
            found = path.stat()
            stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
        except OSError:
            stamp = None
        changed = stamp is not None and stamp != self._seen.get(path)
        self._seen[path] = stamp
        return changed
