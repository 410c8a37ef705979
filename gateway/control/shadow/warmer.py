"""Small requests at once to servers that have to be warm: how many of them are answered in time, the leader hears.

They are asked as the shadow asks everything, with the gateway's own key, and no app waits for them. Each tries out one
replica only as far as the servers share their load; so many at once is also what makes those scale that go by it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from gateway.control.shadow.model import Background
from records.durable import replace
from shadow import warming
from shadow.plan import ShadowRoute
from shadow.ports import ModelCall, ModelReply
from shadow.warming import WarmReport, WarmWish

POLL_S = 2.0
_ASKED = {
    "/v1/chat/completions": b'{"model":"","messages":[{"role":"user","content":"ping"}],"max_tokens":1}',
    "/v1/completions": b'{"model":"","prompt":"ping","max_tokens":1}',
    "/v1/responses": b'{"model":"","input":"ping","max_output_tokens":16}',
    "/v1/embeddings": b'{"model":"","input":"ping"}',
}
"""By endpoint, all that a route can have; the first that it has is taken. The model's name is the candidate's."""


@dataclass(slots=True)
class Warmer:
    """Asks for those routes whose candidates the leader waits for."""

    background: Background
    path: Path | None
    """Where it says what it found; None: nobody reads it."""
    wall: Callable[[], float]
    is_killed: Callable[[], bool]
    not_told: Callable[[OSError], None]
    """Told that the file could not be written."""
    wanted: Mapping[str, ShadowRoute] = field(default_factory=dict[str, ShadowRoute])
    """By rollout."""
    reports: dict[str, WarmReport] = field(default_factory=dict[str, WarmReport], init=False)

    def adopt(self, routes: Mapping[str, ShadowRoute]) -> None:
        """Ask for these from now on, as far as somebody waits for them."""
        self.wanted = {name: route for name, route in routes.items() if route.warm is not None}
        self.reports = {name: report for name, report in self.reports.items() if name in self.wanted}

    async def watch(self) -> None:
        """Ask every two seconds, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(POLL_S)

    async def look(self) -> None:
        """Ask once for each, and say what came of it."""
        if self.path is None or not self.wanted or self.is_killed():
            return
        async with asyncio.TaskGroup() as group:
            for name, route in self.wanted.items():
                if route.warm is not None:
                    group.create_task(self._try(name, route, route.warm))
        try:
            replace(self.path, warming.encode(self.reports))
        except OSError as error:
            self.not_told(error)

    async def _try(self, name: str, route: ShadowRoute, wish: WarmWish) -> None:
        at = self.wall()
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(self._ask(route, wish)) for _ in range(wish.replicas)]
        replies = [call.result() for call in calls]
        failed = Counter(reply.error or "status" for reply in replies if not warming.is_awake(reply))
        why = failed.most_common(1)[0][0] if failed else ""
        self.reports[name] = WarmReport(wish.replicas, len(replies) - failed.total(), at, why)

    async def _ask(self, route: ShadowRoute, wish: WarmWish) -> ModelReply:
        variant = msgspec.structs.replace(route.candidate, first_byte_s=None, total_s=None)
        path = next(path for path in _ASKED if path in route.path)
        return await self.background.ask(
            ModelCall(route.candidate.upstream, path, _ASKED[path], wish.answer_s, variant, past_caches=True)
        )
