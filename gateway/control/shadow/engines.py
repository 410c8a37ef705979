"""How many requests wait in a candidate's own queue: mirroring must not make an engine's real work wait.

Source: the metrics of vLLM 0.33, SGLang 0.5 and Triton (`ecosystem.md` A.3 in words).
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field

from gateway.control.shadow.model import Background
from policies.upstream_kinds import KINDS

POLL_S = 1.0
DEADLINE_S = 0.8
PAGE = b"/metrics"
WAITING: Mapping[str, tuple[str, ...]] = {
    kind: what.waiting_metrics for kind, what in KINDS.items() if what.waiting_metrics
}
"""Kind of upstream -> the gauges that count, together, what waits."""
_OF_ALL = b'priority=""'
"""SGLang with priorities says how many wait of each, and, under this label, how many in all."""


def waiting(kind: str, page: bytes) -> float | None:
    """Requests that wait, all models of the server together; None: the page does not say."""
    try:
        found = [number for name in WAITING.get(kind, ()) for number in _numbers(name, page)]
    except ValueError:
        return None
    return sum(found) if found else None


def _numbers(name: str, page: bytes) -> list[float]:
    """What a gauge says, each request counted once.

    Raises:
        ValueError: it says no number.
    """
    pattern = rb"^%b(?:\{([^\n]*)\})?[ \t]+([0-9.eE+]+)" % re.escape(name).encode()
    rows: list[tuple[bytes, bytes]] = re.findall(pattern, page, re.MULTILINE)
    in_all = [row for row in rows if _OF_ALL in row[0]]
    return [float(number) for _, number in in_all or rows]


@dataclass(slots=True)
class Engines:
    """Looks at the queues of the engines it is told of."""

    background: Background
    is_silent: Callable[[str, str], None]
    """Told of an engine that begins to show no queue, with the gauges that were looked for."""
    kinds: Mapping[str, str] = field(default_factory=dict[str, str])
    """Upstream -> its kind."""
    wanted: Set[str] = frozenset()
    """Those whose queues somebody wants to know."""
    waiting: dict[str, float] = field(default_factory=dict[str, float], init=False)
    """What waited when we last looked. Who cannot be asked is not here: nothing is paused for want of knowing."""
    silent: set[str] = field(default_factory=set[str], init=False)
    """Those that answered and show no queue: `pause_when` does nothing there, and somebody has to know."""
    unseen: set[str] = field(default_factory=set[str], init=False)
    """Those whose queue the last look did not find, whatever the reason."""

    @property
    def asked(self) -> list[str]:
        """Whose queues are looked at."""
        return [name for name, kind in self.kinds.items() if kind in WAITING and name in self.wanted]

    async def watch(self) -> None:
        """Look every second, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(POLL_S)

    async def look(self) -> None:
        """Look once at each."""
        async with asyncio.TaskGroup() as group:
            for upstream in self.asked:
                group.create_task(self._look_at(upstream, self.kinds[upstream]))

    async def _look_at(self, upstream: str, kind: str) -> None:
        page = await self.background.page(upstream, PAGE, DEADLINE_S)
        found = waiting(kind, page) if page is not None else None
        if found is not None:
            self.waiting[upstream] = found
            self.silent.discard(upstream)
            self.unseen.discard(upstream)
            return
        self.unseen.add(upstream)
        self.waiting.pop(upstream, None)
        if page is not None and upstream not in self.silent:
            self.silent.add(upstream)
            self.is_silent(upstream, " or ".join(WAITING[kind]))
