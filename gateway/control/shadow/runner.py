"""The shadow at work: reads the workers' journals, asks again what the lot fell on, and writes one row of each.

    the journals ── read while there is room ──► the lot ──► a route's lane ──► asked, compared ──► its own journal

Rules:
1. Everything that was drawn gets one row, whatever became of it: what is shed says why.
2. The journals are read no further than the lanes have room, so that a backlog is worked off. A route that does not
   answer at all holds nobody up: what is drawn for it then is dropped.
3. What says nothing of the candidate (budget, pause, kill) is skipped; what it is too slow for is dropped.
   What was too old when we read it is dropped as well, and is nobody's loss: it was us who were late.
4. A row is written before it is no longer owed; a SIGKILL in between is seen by who comes next (`debts`).
"""

import asyncio
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.control.journals.follower import Journals
from gateway.control.journals.tail import Position
from gateway.control.row_maker import maker_for
from gateway.control.shadow import owed as debts
from gateway.control.shadow.boot import ShadowBoot
from gateway.control.shadow.comparers import Comparers
from gateway.control.shadow.engines import Engines
from gateway.control.shadow.ledger import Ledger
from gateway.control.shadow.model import Background
from gateway.control.shadow.owed import ShadowProgress
from gateway.control.shadow.warmer import Warmer
from gateway.log import Log
from gateway.node.plain_error import disk_hint, plain
from gateway.transport.key_file import RotatedKeys
from policies.candidates import route_of
from policies.routing import Table
from records.comparison import Came, Comparison
from records.exchange import Exchange, Meta
from shadow.lanes import Drawn, Lane
from shadow.mirror import Mirror, charged_usd, refusal, row_of, variant_of
from shadow.pairing import BEHIND
from shadow.patience import LATEST_ASK_S, age_s
from shadow.plan import ShadowPlan, ShadowRoute

BATCH_BYTES = 256 * 1024
"""Of frames, read at once: a few milliseconds of our loop."""
WAITING_BYTES = 64 * 1024 * 1024
"""What all that waits may take of memory."""
SAME_ERROR_S = 60.0
"""A mistake that is met with every pair is logged so often."""
MOST_SIBLINGS = 4096
"""Exchanges whose further calls are waited for."""
TOO_OLD_SHARE = 0.5
"""Of the journals' retention: what is older is not asked, since its journal is about to go."""


@dataclass(frozen=True, slots=True)
class RunnerClock:
    """The runner's clocks."""

    monotonic: Callable[[], float]
    wall: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Purchase:
    """What was decided with the first of several calls beside an exchange."""

    is_paid: bool
    calls: int
    """Those to come, the present one with them."""


@dataclass(slots=True)
class Runner:
    """`read` takes what is new from the journals; what follows from it runs as tasks of `tasks`."""

    boot: ShadowBoot
    clock: RunnerClock
    log: Log
    background: Background
    tasks: asyncio.TaskGroup
    killed: Callable[[], bool]
    ledger: Ledger = field(init=False)
    engines: Engines = field(init=False)
    warmer: Warmer = field(init=False)
    lanes: dict[str, Lane] = field(default_factory=dict[str, Lane], init=False)
    routes: dict[str, ShadowRoute] | None = field(default=None, init=False)
    """By name; None: nobody has said yet."""
    calls: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]], init=False)
    """Under way."""
    key_refused: dict[str, int] = field(default_factory=dict[str, int], init=False)
    """By route: calls in a row that the candidate's upstream refused for its key."""
    estimated_usd: dict[str, float] = field(default_factory=dict[str, float], init=False)
    """By route: what its budget was charged since our start for calls whose price nobody knows."""
    comparers: Comparers = field(init=False)
    _mirror: Mirror = field(init=False)
    _journals: Journals = field(init=False)
    _keys: RotatedKeys = field(init=False)
    _table: Table | None = field(default=None, init=False)
    _usd_per_answer: Mapping[str, float | None] = field(default_factory=dict[str, float | None], init=False)
    _waiting_bytes: int = field(default=0, init=False)
    _has_read: bool = field(default=False, init=False)
    _paid_for: dict[str, Purchase] = field(default_factory=dict[str, Purchase], init=False)
    """Exchanges beside which the first of several calls was made, or not for want of money."""
    _by_route: dict[str, list[ShadowRoute]] = field(default_factory=dict[str, list[ShadowRoute]], init=False)
    """By the route of the exchanges: one, or one for each of its candidates."""
    _met: dict[str, float] = field(default_factory=dict[str, float], init=False)
    """Where mistakes were met -> when that was last logged."""

    def __post_init__(self) -> None:
        boot, wall = self.boot, self.clock.wall
        self.ledger = Ledger(boot, wall)
        self.engines = Engines(self.background, self._shows_no_queue)
        path = Path(boot.warm) if boot.warm else None
        self.warmer = Warmer(self.background, path, wall, self.killed, self._cannot_say)
        secret = bytes.fromhex(boot.pepper)
        self.comparers = Comparers(
            self.background, self.ledger.budget, lambda: self._mirror.maker, wall, secret, self._not_ready,
            self.ledger.before.judges,
        )  # fmt: skip
        self._keys = RotatedKeys(boot.keys, boot.key_files)
        self._mirror = Mirror(self.background, self.comparers.of, maker_for(boot, None), wall, self._met_error)
        self._journals = Journals(
            Path(boot.journal),
            bytes.fromhex(boot.journal_key),
            self.ledger.before.workers,
            follows=lambda name: not name.startswith(debts.IGNORES),
            again={exchange_id for exchange_id, _, _ in self.ledger.debts.earlier},
        )

    # What it is told ----------------------------------------------------------------------------------------------

    def adopt_table(self, table: Table) -> None:
        """Upstreams and prices as they are from now on."""
        for problem in self.background.adopt(table.upstreams, self._keys.now()):
            self.log.alarm("shadow.upstream_not_ready", reason=problem)
        self._table = table
        self._mirror.maker = maker_for(self.boot, table, self._usd_per_answer)
        self.engines.kinds = {upstream.name: upstream.kind for upstream in table.upstreams}

    def adopt_hours(self, usd_per_answer: Mapping[str, float | None]) -> None:
        """What an answer costs, from now on, of servers that are paid by the hour."""
        self._usd_per_answer = usd_per_answer
        self._mirror.maker = maker_for(self.boot, self._table, usd_per_answer)

    def adopt_plan(self, plan: ShadowPlan) -> None:
        """Routes as they are from now on; calls that wait or are under way go on as they were drawn."""
        self.routes = {route.route: route for route in plan.routes}
        self._by_route = {}
        for route in plan.routes:
            self._by_route.setdefault(route_of(route.route), []).append(route)
        for name, route in self.routes.items():
            lane = self.lanes.setdefault(name, Lane(route, self.clock.monotonic()))
            lane.route = route
        for name in [name for name in self.lanes if name not in self.routes]:
            if not self.lanes[name].waiting and not self.lanes[name].in_flight:
                del self.lanes[name]
        self.comparers.keep(self.routes)
        self.engines.wanted = frozenset(route.candidate.upstream for route in plan.routes)
        self.warmer.adopt(self.routes)

    def kept(self) -> ShadowProgress:
        """How far we are."""
        progress = self._journals.progress() if self._has_read else self.ledger.before.workers
        return self.ledger.kept(progress, self.comparers.licences(), is_idle=self.is_idle)

    @property
    def is_idle(self) -> bool:
        """Whether it was said that there is nothing to do."""
        return self.routes == {}

    def lag_s(self) -> float:
        """About how old the oldest exchange is that was not read yet."""
        return self._journals.lag_s(self.clock.wall())

    # The journals -------------------------------------------------------------------------------------------------

    def read(self) -> bool:
        """Take what is new, if there is room for it. Returns whether there was anything."""
        if not self.routes or not self._has_room():
            return False
        before = self._journals.progress()
        found = self._journals.poll(self.clock.wall(), BATCH_BYTES)
        self._has_read = True
        for one in found:
            if isinstance(one, Exchange):
                worker = before.get(one.meta.worker) or self.ledger.before.workers.get(one.meta.worker)
                self._take(one, worker.safe if worker is not None else Position())
        self._give_up()
        return bool(found)

    def _has_room(self) -> bool:
        now = self.clock.monotonic()
        if self.ledger.is_blocked or self._waiting_bytes > WAITING_BYTES:
            return False
        return not any(lane.holds_up(now) for lane in self.lanes.values())

    def _take(self, exchange: Exchange, since: Position) -> None:
        """Choose the calls for an exchange, or repeat what was chosen before a restart."""
        meta, earlier = exchange.meta, self.ledger.debts.earlier
        owed = [key for key in earlier if key[0] == meta.id]
        if owed:
            there = [key for key in owed if key[2] in (self.routes or {})]
            for key in set(owed).difference(there):
                self.ledger.write(earlier[key].row("skipped", "no_route", at=self.clock.wall()))
            calls = [Drawn(exchange, asked, (self.routes or {})[name]) for _, asked, name in there]
        else:
            calls = [
                Drawn(exchange, asked, route) for route in self._asking(meta) for asked in route.asked_beside(meta)
            ]
        for drawn in calls:
            if drawn.key not in self.ledger.written:
                self.ledger.debts.add(drawn, since)
                self._admit(drawn)

    def _asking(self, meta: Meta) -> Sequence[ShadowRoute]:
        """The routes to choose calls for: the exchange's own, or one for each of its candidates."""
        return self._by_route.get(meta.route, ())

    def _give_up(self) -> None:
        """Write off what was owed before a restart, and is not in the journals any more."""
        gone = [owed for owed in self.ledger.debts.earlier.values() if self._journals.is_level(owed.worker)]
        for owed in gone:
            self.ledger.write(owed.row("dropped", "restarted", at=self.clock.wall()))

    # Asking -------------------------------------------------------------------------------------------------------

    def _admit(self, drawn: Drawn) -> None:
        """Let it wait for its turn."""
        reason = refusal(drawn)
        if not reason and drawn.asked != "candidate" and variant_of(drawn).upstream not in self.boot.background:
            reason = "no_background_key"
        if reason:
            self._shed(drawn, "skipped", reason)
        elif self._is_too_old(drawn.exchange.meta, self.clock.wall()):
            self._shed(drawn, "dropped", BEHIND)
        elif not self.lanes[drawn.route.route].offer(drawn, self.clock.monotonic()):
            self._shed(drawn, "dropped", "queue_full")
        else:
            self._waiting_bytes += drawn.size_bytes
            self.go_on(self.lanes[drawn.route.route])

    def go_on(self, lane: Lane) -> None:
        """Ask as many of those that wait as may be asked at once."""
        while not self.ledger.is_blocked and (drawn := lane.take()) is not None:
            self._waiting_bytes -= drawn.size_bytes
            came, reason = self._hindrance(drawn)
            if came is not None:
                lane.end(self.clock.monotonic(), answered=False)
                self._shed(drawn, came, reason)
                continue
            call = self.tasks.create_task(self._ask(lane, drawn))
            self.calls.add(call)
            call.add_done_callback(self.calls.discard)

    def _hindrance(self, drawn: Drawn) -> tuple[Came | None, str]:
        """What keeps a call from being made now."""
        meta, route, wall = drawn.exchange.meta, drawn.route, self.clock.wall()
        if self._is_too_old(meta, wall):
            return "dropped", "too_old"
        if self.killed():
            return "skipped", "killed"
        if self._must_save(drawn, wall):
            return "skipped", "budget"
        upstream = variant_of(drawn).upstream
        if upstream == route.candidate.upstream and self.engines.waiting.get(upstream, 0.0) > route.engine_waiting:
            return "skipped", "paused"
        return None, ""

    def _must_save(self, drawn: Drawn, wall: float) -> bool:
        """Whether there is no money for it now; of all calls beside one exchange all are made or none."""
        meta, route = drawn.exchange.meta, drawn.route
        first = self._paid_for.pop(meta.id, None)
        if first is not None:
            self._remember(meta.id, first)
            return not first.is_paid or self.ledger.budget.is_spent(route, wall)
        waits = self.ledger.budget.must_wait(route, wall)
        calls = sum(len(each.asked_beside(meta)) for each in self._asking(meta))
        self._remember(meta.id, Purchase(not waits, calls))
        return waits

    def _remember(self, name: str, bought: Purchase) -> None:
        """Keep what was decided for an exchange, until its last call is made."""
        if bought.calls > 1:
            self._paid_for[name] = replace(bought, calls=bought.calls - 1)
        while len(self._paid_for) > MOST_SIBLINGS:
            del self._paid_for[next(iter(self._paid_for))]

    def _is_too_old(self, meta: Meta, wall: float) -> bool:
        """Whether what came of asking now would count nowhere."""
        return age_s(meta, wall) > min(LATEST_ASK_S, self.boot.journal_retention_s * TOO_OLD_SHARE)

    async def _ask(self, lane: Lane, drawn: Drawn) -> None:
        try:
            row = await self._mirror.compare(drawn)
        except Exception as error:  # noqa: BLE001 -- the fence "ask": one exchange nobody foresaw must not end all others
            self._met_error("ask", error)
            row = row_of(drawn, "skipped", "own_error", at=self.clock.wall())
        if drawn.asked == "candidate":
            is_refused = row.reason == "no_background_key"
            self.key_refused[row.route] = self.key_refused.get(row.route, 0) + 1 if is_refused else 0
        lane.end(self.clock.monotonic(), answered=row.came == "answered")
        self._charge(drawn, row)
        self.ledger.write(row)
        self.go_on(lane)

    def _charge(self, drawn: Drawn, row: Comparison) -> None:
        """Take what the call cost off the route's budget, or what it is taken to have cost."""
        usd = charged_usd(drawn, row, self._mirror.maker.prices)
        self.ledger.budget.spend(row.route, usd, self.clock.wall())
        if row.cost_usd is None:
            self.estimated_usd[row.route] = self.estimated_usd.get(row.route, 0.0) + usd

    def _shed(self, drawn: Drawn, came: Came, reason: str) -> None:
        self.ledger.write(row_of(drawn, came, reason, at=self.clock.wall()))

    def _shows_no_queue(self, upstream: str, names: str) -> None:
        """An engine's page has none of the gauges: nothing is ever paused for it."""
        hint = f"its /metrics shows no {names}: is that switched on there? `pause_when` does nothing until it is"
        self.log.alarm("shadow.no_queue_shown", upstream=upstream, hint=hint)

    def _cannot_say(self, error: OSError) -> None:
        """The leader does not hear how many replicas answer, and waits."""
        if self.log.is_news("shadow.disk_refused", plain(error)):
            self.log.alarm("shadow.disk_refused", reason=plain(error), hint=disk_hint(error))

    def _not_ready(self, why: str) -> None:
        """Log a comparator that cannot be used: it says nothing of any pair, so nothing advances by it."""
        self.log.alarm("shadow.comparator_not_ready", reason=why)

    def _met_error(self, operation: str, error: BaseException) -> None:
        """Log a mistake, once in a while: where it was, and nothing of what it was about."""
        place = traceback.extract_tb(error.__traceback__)[-1] if error.__traceback__ else None
        at = f"{Path(place.filename).name}:{place.lineno}" if place is not None else ""
        now = self.clock.monotonic()
        if now - self._met.get(at, float("-inf")) >= SAME_ERROR_S:
            self._met[at] = now
            self.log.alarm("shadow.own_error", operation=operation, kind=type(error).__name__, place=at)
