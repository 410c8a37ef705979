"""How many requests wait in a candidate's own queue: mirroring must not make an engine's real work wait.

Source: the metrics of vLLM 0.33, SGLang 0.5 and Triton (`ecosystem.md` A.3 in words).
"""

import asyncio
import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, field

from gateway.control.shadow.model import Background
from policies.upstream_kinds import KINDS

POLL_S = 1.0
DEADLINE_S = 0.8
PAGE = b"/metrics"
WAITING: Mapping[str, str] = {kind: what.waiting_metric for kind, what in KINDS.items() if what.waiting_metric}
"""Kind of upstream -> the gauge that counts what waits."""


def waiting(kind: str, page: bytes) -> float | None:
    """Requests that wait, all models of the server together; None: the page does not say."""
    name = WAITING.get(kind)
    if name is None:
        return None
    found = re.findall(rb"^%b(?:\{[^\n]*\})?[ \t]+([0-9.eE+]+)" % re.escape(name).encode(), page, re.MULTILINE)
    try:
        return sum(map(float, found)) if found else None
    except ValueError:
        return None


@dataclass(slots=True)
class Engines:
    """Looks at the queues of the engines it is told of."""

    background: Background
    kinds: Mapping[str, str] = field(default_factory=dict[str, str])
    """Upstream -> its kind."""
    wanted: Set[str] = frozenset()
    """Those whose queues somebody wants to know."""
    waiting: dict[str, float] = field(default_factory=dict[str, float], init=False)
    """What waited when we last looked. Who cannot be asked is not here: nothing is paused for want of knowing."""

    async def watch(self) -> None:
        """Look every second, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(POLL_S)

    async def look(self) -> None:
        """Look once at each."""
        async with asyncio.TaskGroup() as group:
            for upstream, kind in self.kinds.items():
                if kind in WAITING and upstream in self.wanted:
                    group.create_task(self._look_at(upstream, kind))

    async def _look_at(self, upstream: str, kind: str) -> None:
        page = await self.background.page(upstream, PAGE, DEADLINE_S)
        found = waiting(kind, page) if page is not None else None
        if found is None:
            self.waiting.pop(upstream, None)
        else:
            self.waiting[upstream] = found
