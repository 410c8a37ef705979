"""What apps were answered, beside what the records say and what the frontier was asked."""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import httpx

from gateway import clock
from tests.fakes.upstream import Entry

APP_LIMIT_S, APP_TRIES = 10.0, 3
EXCUSED_S = 3.0
"""A stream that breaks so soon after its worker was killed, or its candidate died, was held by it."""
AROUND_S = 15.0
"""So near to its worker's death, or to a full disk, an exchange may be lost, or without its tries."""
ODD = 40
"""Requests that were not answered at once that are told of."""
RECORDED_S = 60.0
"""Everything is recorded within so long of the last request."""


@dataclass(slots=True)
class Answered:
    """One request of an app, and what became of each try."""

    turn: int
    model: str
    asked_s: float = field(default_factory=clock.monotonic)
    kinds: list[str] = field(default_factory=list[str])
    id: str = ""
    """The gateway's, of a whole answer."""
    ended_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """What a record says."""

    id: str
    outcome: str
    turn: int
    frontier: int
    """How often it asked the frontier."""


@dataclass(slots=True)
class Ledger:
    """All of it."""

    turns: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    answered: list[Answered] = field(default_factory=list[Answered])
    excused_s: list[float] = field(default_factory=list[float])
    """When streams were broken by us."""
    unkept_s: list[float] = field(default_factory=list[float])
    """When rows may have been lost by us."""

    def take(self, answered: Answered) -> None:
        """A request is over."""
        answered.ended_s = clock.monotonic()
        self.answered.append(answered)

    def excuse(self, *, is_worker: bool = False, is_disk: bool = False) -> None:
        """From now on, for a moment: what breaks was broken by us."""
        if not is_disk:
            self.excused_s.append(clock.monotonic())
        if is_worker or is_disk:
            self.unkept_s.append(clock.monotonic())

    def told(self) -> str:
        """How many, and how they ended."""
        ends = Counter(each.kinds[-1] for each in self.answered)
        tries = Counter(kind for each in self.answered for kind in each.kinds[:-1])
        lines = [f"requests {dict(ends)}, tries before those {dict(tries)}"]
        odd = [each for each in self.answered if each.kinds != ["ok"]]
        lines += [f"  {each.asked_s:.1f} {each.model} turn {each.turn}: {', '.join(each.kinds)}" for each in odd[:ODD]]
        return "\n".join(lines)

    def _errors(self) -> list[str]:
        """What apps saw that they should not have."""
        found: Counter[str] = Counter()
        for each in self.answered:
            kind = each.kinds[-1]
            if kind == "broke off" and any(0 <= each.ended_s - at <= EXCUSED_S for at in self.excused_s):
                continue
            found[kind] += kind != "ok"
        return [f"apps saw {kind!r} {count} times" for kind, count in found.items() if count]

    def _may_be_lost(self, each: Answered) -> bool:
        return any(each.asked_s - AROUND_S <= at <= each.ended_s + AROUND_S for at in self.unkept_s)

    async def compared(self, records: Path, frontier: Sequence[Entry], *, lost: int) -> list[str]:
        """What does not fit. `lost`: exchanges that the gateway says it could not keep."""
        wanted = {each.id: each for each in self.answered if each.id}
        rows, until_s = list[Row](), clock.monotonic() + RECORDED_S
        while clock.monotonic() < until_s:
            rows = await asyncio.to_thread(_rows, records)
            if wanted.keys() <= {row.id for row in rows}:
                break
            await asyncio.sleep(1.0)
        kept = Counter(row.id for row in rows)
        missing = [each for name, each in wanted.items() if name not in kept]
        broken = self._errors()
        if len(missing) > lost:
            broken.append(f"{len(missing)} answered requests are not recorded, and {lost} are said to be lost")
        if odd := [each for each in missing if not self._may_be_lost(each)]:
            broken.append(f"{len(odd)} of them were lost although nothing was done to the disk")
        if twice := [name for name, count in kept.items() if count > 1]:
            broken.append(f"{len(twice)} exchanges are recorded more than once")
        return broken + self._against(rows, frontier)

    def _against(self, rows: Sequence[Row], frontier: Sequence[Entry]) -> list[str]:
        """Whether the records say of the frontier what it says itself."""
        asked = Counter(_turn(entry.json) for entry in frontier)
        said = Counter[int]()
        for row in rows:
            said[row.turn] += row.frontier
        certain = [each.turn for each in self.answered if not self._may_be_lost(each)]
        unlike = [turn for turn in certain if asked[turn] != said[turn]]
        if not unlike:
            return []
        one = unlike[0]
        return [
            f"{len(unlike)} of {len(certain)} requests: the records' tries at the frontier are not its own, "
            f"as turn {one}: {said[one]} for {asked[one]}"
        ]


async def load_apps(app: httpx.AsyncClient, ledger: Ledger, model: str, rate: float, stop: asyncio.Event) -> None:
    """Requests at a rate, each on its own, until told to stop; then those under way end."""
    async with asyncio.TaskGroup() as group:
        while not stop.is_set():
            group.create_task(_ask(app, ledger, model))
            await asyncio.sleep(1.0 / rate)


async def _ask(app: httpx.AsyncClient, ledger: Ledger, model: str) -> None:
    turn = next(ledger.turns)
    messages = [{"role": "user", "content": f"turn {turn}"}]
    body: dict[str, object] = {"model": model, "user": f"u{turn}", "stream": turn % 2 == 0, "messages": messages}
    answered = Answered(turn, model)
    for _ in range(APP_TRIES):
        kind = await _try(app, body, answered)
        answered.kinds.append(kind)
        if kind in ("ok", "broke off"):
            break
        await asyncio.sleep(0.1)  # as SDKs do between their tries
    ledger.take(answered)


async def _try(app: httpx.AsyncClient, body: dict[str, object], answered: Answered) -> str:
    began = False
    try:
        async with asyncio.timeout(APP_LIMIT_S), app.stream("POST", "/chat/completions", json=body) as answer:
            if answer.status_code != 200:
                return f"status {answer.status_code}"
            text = b""
            async for piece in answer.aiter_bytes():
                began, text = True, text + piece
    except TimeoutError:
        return "broke off" if began else "timed out"
    except httpx.TransportError:
        return "broke off" if began else "no answer"
    if body["stream"] and not text.rstrip().endswith(b"data: [DONE]"):
        return "broke off"
    answered.id = answer.headers["x-crossfade-request-id"]
    return "ok"


def _turn(request: object) -> int:
    messages = request.get("messages") if isinstance(request, dict) else None  # pyright: ignore[reportUnknownMemberType,reportUnknownVariableType]
    text = str(messages[-1]["content"]) if isinstance(messages, list) else ""  # pyright: ignore[reportUnknownArgumentType]
    return int(text.removeprefix("turn ")) if text.startswith("turn ") else -1


def _rows(records: Path) -> list[Row]:
    """All recorded exchanges, as anybody would read them."""
    if not list((records / "exchanges").rglob("*.parquet")):
        return []
    query = f"select id, outcome, request_json, attempts_json from '{records}/exchanges/**/*.parquet'"  # noqa: S608 -- our own path
    try:
        with duckdb.connect() as database:
            found = database.execute(query).fetchall()
    except duckdb.IOException:  # a file that was listed is merged into another by now
        return []
    return [Row(str(one[0]), one[1], _turn(json.loads(one[2] or "{}")), _tries(one[3])) for one in found]


def _tries(attempts: str) -> int:
    return sum(each["upstream"] == "openai" for each in json.loads(attempts or "[]"))
