"""The shadow over recorded traffic, before any live one: the same calls, comparators and rows, out of the records.

What is recorded is redacted: the candidate is asked what the records hold, and the baseline's answer is the recorded
one. Both saw nearly the same words; where a placeholder stands for what mattered, the candidate is at a disadvantage.

`exchange_of` and `Mirror.compare` know of one exchange each and of nothing around them: several machines may map them
over the same Parquet files (`crossfade replay --engine ray`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import msgspec

from policies.routing import PPM
from records.comparison import Comparison
from records.exchange import Exchange, Meta, Outcome
from shadow.lanes import Drawn
from shadow.mirror import refusal
from shadow.plan import ShadowRoute


@dataclass(frozen=True, slots=True)
class ReplayRow:
    """One row of the records, as far as a replay needs it."""

    id: str
    arrived_at: float
    """Unix seconds."""
    path: str
    unit: str
    upstream: str
    model: str
    """As the app asked."""
    status: int
    outcome: Outcome
    request_json: str
    response_json: str | None
    first_byte_s: float | None
    total_s: float


def exchange_of(row: ReplayRow, route: str) -> Exchange:
    """The exchange again, as far as the records kept it: the baseline's answer, whole, in one piece."""
    request, response = row.request_json.encode(), (row.response_json or "").encode()
    meta = Meta(
        id=row.id,
        worker="replay",
        arrived_at=row.arrived_at,
        method="POST",
        target=row.path,
        request_head=b"",
        key_id="",
        key_name="",
        route=route,
        variant="baseline",
        why="assigned",
        reason="",
        upstream=row.upstream,
        model=row.model,
        unit=row.unit,
        weight_ppm=0,
        table_version=0,
        no_train=False,
        pinned=False,
        retry_count=0,
        status=row.status,
        response_head=b"\r\ncontent-type: application/json",
        outcome=row.outcome,
        attempts=[],
        overhead_s=0.0,
        first_byte_s=row.first_byte_s,
        total_s=row.total_s,
        request_bytes=len(request),
        request_sha256="",
        response_bytes=len(response),
        response_sha256="",
        chunk_ends=[],
        chunk_times_us=[],
    )
    return Exchange(meta, request, response)


def drawn(exchange: Exchange, route: ShadowRoute) -> Drawn:
    """Every exchange is asked: the replay has chosen them already."""
    return Drawn(exchange, "candidate", msgspec.structs.replace(route, sample_ppm=PPM))


@dataclass(slots=True)
class Replay:
    """One run over what `source` gives. Each is compared, or has a reason why not."""

    source: Iterator[Drawn]
    compare: Callable[[Drawn], Awaitable[Comparison]]
    """`Mirror.compare`, or a fake."""
    hindrance: Callable[[], str]
    """Why no more may be asked: the budget, the time, the user. Empty: nothing hinders."""
    told: Callable[[Drawn, Comparison], None]
    """Gets each comparison as it comes."""
    shed: Callable[[Drawn, str], None]
    """Gets what nobody may be asked, with the reason."""
    stopped: str = ""
    """Why it ended before its source did."""

    async def run(self, in_flight: int) -> None:
        """Ask, so many at once, until nothing is left or something hinders."""
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(self._ask())

    async def _ask(self) -> None:
        for one in self.source:  # shared by all: each takes the next
            if reason := refusal(one):
                self.shed(one, reason)
                continue
            self.stopped = self.stopped or self.hindrance()
            if self.stopped:
                return
            self.told(one, await self.compare(one))
