"""A candidate that serves and fails, in every way and at every moment: how soon its weight is 0, and what apps saw; and
one that is well, whatever its apps do.

python -m tests.faults serving [--only WORDS]

Each row is a gateway of its own under 20 requests a second of two routes. An operator's promotes bring the candidate to
its share; then it fails, and the table is watched until the route's weight is 0: it is suspended. Rows that say how it
ends are watched on, until it is back or rolled back.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import httpx

from gateway import clock
from policies.routing import PPM, Route, decode
from tests.fakes.faults import NONE, Fault
from tests.fakes.openai_answers import Speaker
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream
from tests.rooms.serving import REAL, Serving, await_true

RATE = 20.0
"""Requests a second of the route that fails."""
OTHER_RATE = 4.0
APP_LIMIT_S = 10.0
"""What an app waits; an SDK's default is longer."""
APP_TRIES = 3
WARM_S = 4.0
"""Healthy traffic at the share."""
BEFORE_S = 0.3
AFTER_S = 4.0
"""Traffic after weight 0: nothing may come back."""
ENDS_S = 180.0
"""The bar: what an alarm suspended is back within so long, or, failing on, rolled back."""
WITHIN_S, WITHIN_REQUESTS = 5.0, 40
"""The bar: weight 0 within so much time, or so many requests that the candidate was assigned."""
LONGEST_S = 60.0
STAYS_S = 30.0

SETTINGS = """\
upstreams:
  openai: {{base_url: "{frontier}", background_key_env: BACKGROUND}}
  vllm: {{kind: vllm, base_url: "{candidate}"{more}}}
"""
# Conversations stay open, but for rows that say when they are over: no gate is decided there, and only what watches a
# candidate that serves can act.
POLICY = """\
route: {route}
match: {{model: {model}}}
baseline: {{upstream: openai}}
candidate: {{upstream: vllm, model: tuned, revision: "1"{candidate}}}
assign: {{by: [user, conversation], close_after: {close_after}, population: fixed}}
shadow: {{sample: 1%}}
compare: [exact]
{more}
stages: [shadow: {{days: 0}}, {stages}]
"""

Traffic = Literal["whole", "stream", "both"]
State = Fault | Literal["dead", "black hole", "tail"]
"""A black hole: no handshake with it ends. A tail: 2 % of its answers never come, and 1 % are an error."""

HANG = Fault(before="hang")
QUICK = Fault(delay_s=0.02, gap_s=0.002)
DRIP = Fault(gap_s=1.5)
"""A word each 1.5 s, the first one in time: within an app's patience it comes to no end."""
HTML = Fault(body="<html>busy</html>", content_type="text/html")


@dataclass(frozen=True, slots=True)
class Row:
    """One way to fail."""

    name: str
    state: State
    share: str = "100%"
    stages: str = ""
    """Of the ladder; empty: the share alone, then 100 %."""
    traffic: Traffic = "both"
    workers: int = 1
    rate: float = RATE
    baseline: Fault = QUICK
    """How the baseline answers: its pace."""
    candidate: str = ""
    """More of the policy's candidate."""
    upstream: str = ""
    """More of the settings of its upstream."""
    more: str = ""
    """More lines of the policy."""
    close_after: str = "2h"
    """Of a conversation. Where it is soon over, gates decide on what was lost, beside whoever watches."""
    users: int = 0
    """0: a new user with each request."""
    hang_s: float = 0.0
    """How long a request waits before its failure is known: added to the bar."""
    promote: Literal["", "with", "before", "after"] = ""
    """An operator's promote: done in the moment of the failure, a moment after the first failures, or 2 s later."""
    heals_after_s: float | None = None
    flaps_s: float | None = None
    """The candidate is well and ill in turns, each so long."""
    ends: Literal["", "return", "roll_back"] = ""
    """The move that ends its suspension; empty: nobody waits for it."""
    app_limit_s: float = APP_LIMIT_S
    """What an app waits for a whole answer."""
    stays: bool = False
    """It is no failure: the candidate keeps its weight, for `STAYS_S`."""
    may_break: bool = False
    """Answers that had begun may break off: the failure comes after the first byte."""

    @property
    def ladder(self) -> str:
        """Its stages, below the shadow."""
        return self.stages or (self.share if self.share == "100%" else f"{self.share}, 100%")

    @property
    def ordered_ppm(self) -> int:
        """The weight that an operator's word, given before anybody could know of the failure, brings it to."""
        ladder = [_ppm(stage) for stage in self.ladder.split(",")]
        is_sooner = self.promote in ("with", "before")
        return ladder[ladder.index(self.share_ppm) + 1] if is_sooner else self.share_ppm

    @property
    def share_ppm(self) -> int:
        """Its weight when it fails."""
        return _ppm(self.share)


def _ppm(share: str) -> int:
    return int(float(share.strip().rstrip("%")) * PPM / 100)


ROWS = (
    *(Row(f"dies at {share}", "dead", share) for share in ("1%", "5%", "25%", "50%")),
    Row("dies at 100%", "dead", ends="roll_back"),
    Row("all conversations fail for a second", Fault(status=500), heals_after_s=1.0, ends="return"),
    Row("all of 25 % fail for a second", Fault(status=500), "25%", heals_after_s=1.0, ends="return"),
    Row(
        "all of 25 % fail for a second, and count at once",
        Fault(status=500),
        "25%",
        rate=60.0,
        close_after="1s",
        heals_after_s=1.0,
        ends="return",
    ),
    Row("dies in the moment of 5 % → 25 %", "dead", "5%", "5%, 25%, 100%", promote="with"),
    Row("dies in the moment of 25 % → 50 %", "dead", "25%", "25%, 50%, 100%", promote="with"),
    Row("dies in the moment of 50 % → 100 %", "dead", "50%", "50%, 100%", promote="with"),
    Row("dies 0.3 s before 5 % → 25 %", "dead", "5%", "5%, 25%, 100%", promote="before"),
    Row("dies 0.3 s before 50 % → 100 %", "dead", "50%", "50%, 100%", promote="before"),
    Row("dead for 2 s at 50 %, then promoted", "dead", "50%", "50%, 100%", promote="after"),
    Row("is a black hole", "black hole", hang_s=3.5),
    Row("is a black hole at 25 %", "black hole", "25%", hang_s=3.5),
    Row("hangs, whole answers", HANG, traffic="whole", hang_s=3.0, ends="roll_back"),
    Row("hangs, streams", HANG, traffic="stream", hang_s=3.0),
    Row("hangs within streams", Fault(cut="hang", after=3), traffic="stream", hang_s=30.0, may_break=True),
    Row("drips within streams, apps wait 10 s", DRIP, traffic="stream", hang_s=5.0, may_break=True),
    Row(
        "drips, the baseline's first token takes 1.5 s",
        DRIP,
        traffic="stream",
        baseline=Fault(delay_s=1.5, gap_s=0.02),
        hang_s=6.0,
        may_break=True,
    ),
    Row(
        "is well: long answers, apps stop after 5 s",
        Fault(gap_s=0.1, endless=True),
        traffic="stream",
        baseline=Fault(delay_s=0.15, gap_s=0.002),
        app_limit_s=5.0,
        stays=True,
        may_break=True,
    ),
    Row(
        "is well: one connection, half find it in use",
        Fault(delay_s=0.07),
        traffic="whole",
        baseline=Fault(delay_s=0.15),
        upstream=", max_connections: 1",
        stays=True,
    ),
    Row("hangs, one connection", HANG, traffic="whole", upstream=", max_connections: 1", hang_s=5.0),
    Row("hangs, whole answers, first_byte 2s", HANG, traffic="whole", candidate=", first_byte: 2s", hang_s=3.0),
    Row("hangs at 25 % after a stage change", HANG, "25%", "5%, 25%, 100%", hang_s=3.0),
    Row("slow (12 s), apps wait 10 s", Fault(delay_s=12.0), more="gates: {latency: {ttft_p95: 800ms}}", hang_s=3.0),
    Row("answers 500", Fault(status=500), ends="roll_back"),
    Row("answers 401", Fault(status=401)),
    Row("answers 404", Fault(status=404)),
    Row("answers 200 with HTML", HTML),
    Row("answers garbage", Fault(before="garbage")),
    Row("resets connections at 50 %", Fault(before="reset"), "50%"),
    Row("cuts streams after the first words", Fault(cut="reset", after=3), traffic="stream", may_break=True),
    Row("its tail fails at 25 %", "tail", "25%", rate=40.0, close_after="1s", hang_s=5.0),
    Row("flaps every second at 50 %", Fault(status=500), "50%", flaps_s=1.0, ends="roll_back"),
    Row("dies and heals by itself after 3 s", "dead", heals_after_s=3.0, ends="return"),
    Row("dies, two workers", "dead", workers=2),
    Row("dies, four workers", "dead", workers=4),
    Row("dies, 6 requests a minute", "dead", rate=0.1, hang_s=200.0),
    Row("dies, streams only", "dead", traffic="stream"),
    Row("dies, twenty long conversations", "dead", users=20),
)


@dataclass(slots=True)
class Watched:
    """What was seen of one row."""

    row: Row
    down_s: float | None = None
    """From the failure to weight 0; None: never."""
    assigned: float = 0.0
    """Requests of the failing route until then, times the candidate's share."""
    ended_s: float | None = None
    """From weight 0 to the move that ended the suspension; None: nobody waited, or it never came."""
    rose: bool = False
    """Whether the weight rose while it failed, or after it was 0."""
    seen: Counter[str] = field(default_factory=Counter[str])
    other: Counter[str] = field(default_factory=Counter[str])
    longest_s: float = 0.0
    """The longest wait for an answer while it failed."""
    said: str = ""
    """The first words of `explain`."""

    def held(self) -> bool:
        """Whether every bar was met."""
        row = self.row
        down = self.down_s is not None and (
            self.down_s <= row.hang_s + WITHIN_S or self.assigned <= WITHIN_REQUESTS or row.share_ppm < PPM // 20
        )
        errors = {kind: count for kind, count in self.seen.items() if kind != "ok"}
        if row.may_break:
            errors.pop("broke off", None)
        if row.stays:
            down = self.down_s is None
        if row.share_ppm < PPM // 20 and self.down_s is None:
            down = True  # the bar is for 5 % and more; what was seen is printed
        if row.state == "tail":  # no half of its requests: it may serve on where it is, and never goes up
            down = self.longest_s <= row.hang_s
        ended = not row.ends or (self.ended_s is not None and self.ended_s <= ENDS_S + row.hang_s)
        return down and ended and not errors and not self.rose and set(self.other) <= {"ok"}

    def line(self) -> str:
        """One line of the table."""
        down = "never" if self.down_s is None else f"{self.down_s:.1f} s"
        seen = " ".join(f"{kind} {count}" for kind, count in sorted(self.seen.items()))
        others = sum(count for kind, count in self.other.items() if kind != "ok")
        rose = "ROSE" if self.rose else "-"
        ends = self.row.ends.replace("return", "back").replace("roll_back", "rolled back")
        then = "" if not ends else f"{ends} {'never' if self.ended_s is None else f'{self.ended_s:.0f} s'}"
        mark = "held" if self.held() else "BROKE"
        return (
            f"{mark:<6}{self.row.name:<48}{down:>9}{self.assigned:>7.0f}{self.longest_s:>7.1f} s  {rose:<5}{then:<18}"
            f"{seen:<34}{others:>3}  {self.said[:90]}"
        )


@dataclass(slots=True)
class ServingFound:
    """All rows."""

    watched: list[Watched]

    def held(self) -> bool:
        """Whether every row held."""
        return all(each.held() for each in self.watched)

    def report(self) -> str:
        """The table."""
        head = f"{'':<54}{'weight 0':>9}{'asked':>7}{'longest':>9}  {'up':<5}{'then':<18}"
        head += f"{'apps saw':<34}{'other':>5}  explain"
        return "\n".join((head, *(each.line() for each in self.watched)))


@dataclass(slots=True)
class Site:
    """A gateway under traffic, and its candidate."""

    serving: Serving
    row: Row
    candidate: FakeUpstream
    alive: ExitStack
    failing: bool = False
    promote_s: float = 0.0
    """How long the last promote took, from the command's start to the table."""
    watched: Watched = field(init=False)

    def __post_init__(self) -> None:
        self.watched = Watched(self.row)

    def route(self, name: str = "failing") -> Route | None:
        """The route in the table."""
        try:
            routes = decode((self.serving.data / "routing.json").read_bytes()).routes
        except OSError:
            return None
        return next((route for route in routes if route.name == name), None)

    def weight_ppm(self) -> int:
        """The failing route's weight; -1: it is not there."""
        route = self.route()
        return -1 if route is None else route.weight_ppm

    def fail(self, state: State) -> None:
        """The candidate is ill from now on. Blocks."""
        if isinstance(state, Fault):
            self.candidate.fault = state
            return
        if state == "tail":
            self.candidate.every = {50: HANG, 100 - 1: Fault(status=500)}
            return
        self.alive.close()
        if state == "black hole":  # a queue that is full
            address = ("127.0.0.1", self.candidate.port)
            self.alive.enter_context(socket.create_server(address, backlog=0))
            self.alive.enter_context(socket.create_connection(address))

    def heal(self) -> None:
        """It is well again. Blocks."""
        if self.row.state == "dead":
            self.candidate = self.alive.enter_context(
                in_thread(FakeUpstream(self.candidate.speaker, self.candidate.port, require_key=False))
            )
        else:
            self.candidate.fault = NONE

    # Traffic ------------------------------------------------------------------------------------------------------

    async def load(self, app: httpx.AsyncClient, model: str, rate: float, seen: Counter[str]) -> None:
        """Requests at a rate, each on its own."""
        turn = 0
        async with asyncio.TaskGroup() as group:
            while True:
                turn += 1
                group.create_task(self._ask(app, model, turn, seen))
                await asyncio.sleep(1.0 / rate)

    async def _ask(self, app: httpx.AsyncClient, model: str, turn: int, seen: Counter[str]) -> None:
        row = self.row
        stream = row.traffic == "stream" or (row.traffic == "both" and turn % 2 == 0)
        user = f"u{turn % row.users if row.users else turn}"
        body = {"model": model, "user": user, "stream": stream, "messages": [{"role": "user", "content": f"hi {turn}"}]}
        begun_s, was_failing = clock.monotonic(), self.failing
        kind = "no answer"
        for _ in range(APP_TRIES):
            kind = await self._try(app, body)
            if was_failing or self.failing:
                seen[kind] += 1
            if kind in ("ok", "broke off"):
                break
        if was_failing:
            self.watched.longest_s = max(self.watched.longest_s, clock.monotonic() - begun_s)

    async def _try(self, app: httpx.AsyncClient, body: dict[str, object]) -> str:
        began = False
        try:
            async with (
                asyncio.timeout(self.row.app_limit_s),
                app.stream("POST", "/chat/completions", json=body) as answer,
            ):
                if answer.status_code != 200:
                    return f"status {answer.status_code}"
                text = b""
                async for piece in answer.aiter_bytes():
                    began, text = True, text + piece
        except TimeoutError:
            return "broke off" if began else "timed out"
        except httpx.TransportError:
            return "broke off" if began else "no answer"
        return "ok" if not body["stream"] or text.rstrip().endswith(b"data: [DONE]") else "broke off"


POLICIES = "policies"


@contextmanager
def _site(directory: Path, row: Row) -> Iterator[Site]:
    directory.mkdir(parents=True)
    with ExitStack() as stack:
        speaker = Speaker("frontier", vllm=False)
        frontier = stack.enter_context(in_thread(FakeUpstream(speaker, require_key=False, fault=row.baseline)))
        alive = stack.enter_context(ExitStack())
        vllm = alive.enter_context(in_thread(FakeUpstream(Speaker("frontier", vllm=True), require_key=False)))
        well = stack.enter_context(in_thread(FakeUpstream(Speaker("frontier", vllm=True), require_key=False)))
        settings = SETTINGS.format(frontier=frontier.base_url, candidate=vllm.base_url, more=row.upstream)
        settings += f'  well: {{kind: vllm, base_url: "{well.base_url}"}}\npolicies: {POLICIES}\n'
        (directory / POLICIES).mkdir()
        text = POLICY.format(
            route="failing", model="gpt-4o", candidate=row.candidate, more=row.more, stages=row.ladder,
            close_after=row.close_after,
        )  # fmt: skip
        (directory / POLICIES / "failing.yaml").write_text(text)
        other = POLICY.format(
            route="other", model="gpt-4o-mini", candidate="", more="", stages="100%", close_after="2h"
        )
        (directory / POLICIES / "other.yaml").write_text(other.replace("upstream: vllm", "upstream: well"))
        serving = stack.enter_context(Serving(directory, settings, worker=REAL, workers=row.workers))
        serving.await_ready()
        serving.await_control()
        yield Site(serving, row, vllm, alive)


def _promote(site: Site, route: str = "failing") -> None:
    """An operator's promote, done."""
    found = site.serving.crossfade("promote", route, "--reason", "a fault is to be tried")
    if found.returncode:
        raise RuntimeError(found.stdout + found.stderr)


def _is_baseline_known(site: Site) -> bool:
    """Whether the table has limits made of the baseline's own times, for all that the row's apps ask."""
    found = site.route()
    if found is None:
        return False
    first_s, whole_s = found.limits.patience_first_token_s, found.limits.patience_whole_s
    asked = {"stream": (first_s,), "whole": (whole_s,), "both": (first_s, whole_s)}[site.row.traffic]
    return None not in asked


def _climb(site: Site) -> None:
    """Bring both routes to their shares. Blocks."""
    await_true(lambda: site.weight_ppm() == 0 and site.route("other") is not None, "the routes are there")
    await_true(lambda: _is_baseline_known(site), "the baseline's latency is known")
    _promote(site, "other")
    while site.weight_ppm() < site.row.share_ppm:
        before, began_s = site.weight_ppm(), clock.monotonic()
        _promote(site)
        await_true(lambda before=before: site.weight_ppm() > before, "the candidate has its share")
        site.promote_s = clock.monotonic() - began_s


async def _flap(site: Site, each_s: float) -> None:
    while True:
        await asyncio.to_thread(site.fail, site.row.state)
        await asyncio.sleep(each_s)
        await asyncio.to_thread(site.heal)
        await asyncio.sleep(each_s)


async def _fail_beside_a_promote(site: Site) -> None:
    """The failure meets the old stage's last requests (`before`) or the new one's first (`with`)."""
    async with asyncio.TaskGroup() as group:
        promoting = group.create_task(asyncio.to_thread(_order, site))
        if site.row.promote == "before":
            await asyncio.sleep(max(0.0, site.promote_s - BEFORE_S))
            await asyncio.to_thread(site.fail, site.row.state)
            return
        while not promoting.done() and site.weight_ppm() <= site.row.share_ppm:  # noqa: ASYNC110 -- a file, not an event
            await asyncio.sleep(0.005)
        await asyncio.to_thread(site.fail, site.row.state)


async def _then(delay_s: float, act: Callable[[], None]) -> None:
    await asyncio.sleep(delay_s)
    await asyncio.to_thread(act)


def _order(site: Site) -> None:
    """An operator's promote, whatever comes of it."""
    site.serving.crossfade("promote", "failing", "--reason", "a fault is to be tried")


async def _begin(site: Site, group: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
    """The failure; what comes with it and lasts, to be cancelled."""
    row = site.row
    if row.flaps_s is not None:
        return [group.create_task(_flap(site, row.flaps_s))]
    if row.promote in ("with", "before"):
        await _fail_beside_a_promote(site)
        return []
    await asyncio.to_thread(site.fail, row.state)
    if row.promote == "after":
        return [group.create_task(_then(2.0, lambda: _order(site)))]
    if row.heals_after_s is not None:
        return [group.create_task(_then(row.heals_after_s, site.heal))]
    return []


async def _watch(site: Site) -> None:
    """Until the weight is 0, or patience is over; then a while longer."""
    watched, row = site.watched, site.row
    began_s, sent, highest = clock.monotonic(), 0, max(site.weight_ppm(), row.ordered_ppm)
    until_s = began_s + (STAYS_S if row.stays else row.hang_s + LONGEST_S)
    while clock.monotonic() < until_s:
        weight = site.weight_ppm()
        watched.rose |= weight > highest
        if weight == 0:
            watched.down_s = clock.monotonic() - began_s
            sent = int(watched.down_s * row.rate)
            watched.assigned = sent * highest / PPM
            break
        await asyncio.sleep(0.05)
    until_s = clock.monotonic() + AFTER_S
    while watched.down_s is not None and clock.monotonic() < until_s:
        watched.rose |= site.weight_ppm() > 0
        await asyncio.sleep(0.05)
    await _watch_end(site)


async def _watch_end(site: Site) -> None:
    """Until the suspension is over, as its row says; a weight rises only by that."""
    watched, row = site.watched, site.row
    until_s = clock.monotonic() + ENDS_S + row.hang_s
    while row.ends and watched.ended_s is None and clock.monotonic() < until_s:
        moves = [event["move"] for event in site.serving.events("rollout.moved") if event["route"] == "failing"]
        after = moves[moves.index("suspend") + 1 :] if "suspend" in moves else []
        if after:
            is_due = after == [row.ends] and (row.ends == "roll_back" or site.weight_ppm() > 0)
            watched.ended_s = ENDS_S + row.hang_s - (until_s - clock.monotonic()) + AFTER_S if is_due else None
        watched.rose |= site.weight_ppm() > 0 and "return" not in after
        await asyncio.sleep(0.2)


async def watch_row(directory: Path, row: Row) -> Watched:
    """One row, on a gateway of its own."""
    limits = httpx.Limits(max_connections=2000, max_keepalive_connections=50)
    with _site(directory, row) as site:
        url, headers = f"http://127.0.0.1:{site.serving.port}/v1", {"authorization": "Bearer sk-app"}
        app = httpx.AsyncClient(base_url=url, headers=headers, timeout=None, limits=limits)  # noqa: S113 -- each try has one
        async with app, asyncio.TaskGroup() as group:
            running = [
                group.create_task(site.load(app, "gpt-4o", RATE, site.watched.seen)),
                group.create_task(site.load(app, "gpt-4o-mini", OTHER_RATE, site.watched.other)),
            ]
            await asyncio.sleep(1.0)
            await asyncio.to_thread(_climb, site)
            await asyncio.sleep(WARM_S)
            if row.rate < RATE:  # it was warmed as the others are
                running[0].cancel()
                running.append(group.create_task(site.load(app, "gpt-4o", row.rate, site.watched.seen)))
            site.failing = True
            running += await _begin(site, group)
            await _watch(site)
            explained = await asyncio.to_thread(site.serving.crossfade, "explain", "failing")
            site.watched.said = " ".join(explained.stdout.split())
            for task in running:
                task.cancel()
    return site.watched


async def serving_faults(directory: Path, only: str = "") -> ServingFound:
    """Every row whose name has the words `only`, one after another."""
    found: list[Watched] = []
    for number, row in enumerate(row for row in ROWS if only in row.name):
        found.append(await watch_row(directory / str(number), row))
        print(found[-1].line(), flush=True)  # noqa: T201 -- a row takes half a minute
    return ServingFound(found)
