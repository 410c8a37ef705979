"""What rows are made by: whose prices hold, read again once the table changes that workers serve from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.control.recorder.boot import RecorderBoot
from gateway.control.row_maker import maker_for
from policies import routing
from records.record_maker import RecordMaker
from shadow import plan


@dataclass(slots=True)
class RecorderInputs:
    """What rows are made by, as the files say now."""

    boot: RecorderBoot
    maker: RecordMaker = field(init=False)
    """Prices by the table that workers serve from. There is none before `read_routing`."""
    _is_priced: bool = field(default=False, init=False)
    _seen: dict[str, int] = field(default_factory=dict[str, int], init=False)
    """Files -> their change time when they were last read."""

    def read_routing(self) -> Sequence[str]:
        """Learn whose prices hold; the routes with a candidate, of a table that has changed.

        One that cannot be read takes no prices away.
        """
        path, asked = Path(self.boot.routing), Path(self.boot.plan)
        if not any([self._has_changed(path), self._has_changed(asked)]):  # each is looked at
            return ()
        try:
            table: routing.Table | None = routing.decode(path.read_bytes())
        except (OSError, routing.RoutingError):
            table = None  # it says nothing of prices then
        if table is not None or not self._is_priced:
            self.maker = maker_for(self.boot, table, plan=plan.read(asked))
            self._is_priced = True
        return () if table is None else [route.name for route in table.routes if route.candidate is not None]

    def _has_changed(self, path: Path) -> bool:
        try:
            changed_at = path.stat().st_mtime_ns
        except FileNotFoundError:
            changed_at = 0
        before = self._seen.get(str(path))
        self._seen[str(path)] = changed_at
        return changed_at != before
