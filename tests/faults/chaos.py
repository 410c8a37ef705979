"""Everything at once, by seeded chance: a fault a few seconds after the last, for many minutes, under mixed traffic.

python -m tests.faults chaos [--minutes N] [--seed S]

A gateway of two workers over a real Redis and, as root, a small disk; a wall clock of their own, where a C compiler can
make one; whole answers and streams on two routes, half of each served by a candidate. What must hold: no app sees an
error but the streams that a killed worker or a dying candidate held; a candidate that fails loses its traffic within
the bars and gets none back without a word; records are what apps were answered and what the frontier was asked; and in
the end everything is back by itself.
"""

import asyncio
import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from gateway import clock
from gateway.config.settings_file import load
from gateway.control.operations.orders import OrderClock, operate, order_of
from gateway.control.state.open import open_state
from gateway.control.state.port import StateDownError
from gateway.node import state_location
from gateway.node.datadir import DataDir
from policies.routing import PPM, RoutingError, decode
from policies.terms import Verb
from tests.fakes.faults import NONE, Fault
from tests.fakes.openai_answers import Speaker
from tests.fakes.redis_server import RedisServer, kinds, running
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream
from tests.faults.chaos_ledger import Ledger, load_apps
from tests.faults.dice import Dice, dice
from tests.faults.disk_full import can_mount
from tests.rooms import stepped_clock
from tests.rooms.serving import REAL, Serving, free_port
from tests.rooms.stepped_clock import SteppedClock
from tests.rooms.waiting import await_true

RATE = 8.0
"""Requests a second of each route."""
DISK_MB = 256
GAP_S = (1.0, 4.0)
"""Between two faults."""
WITHIN_S, WITHIN_REQUESTS = 5.0, 40
"""The bar for a candidate that fails: weight 0 within so much time, or so many requests assigned to it."""
HANG_S = 4.0
"""A hang is known after so long: twice the baseline's p99, at least 2 s, and the look of the worker's clock."""
UNWATCHED_S = 20.0
"""After a fault of the control plane, its state or its disk, so much later may a rollback come: breakers act alone."""
LONGEST_S = 90.0
STEP_S, FURTHEST_S = (0.5, 1800.0), 3000.0
"""How far the wall clock steps, ahead or back, and how far it is off at most."""
BACK_S = 120.0
"""In the end everything is back within so long."""

POLICY = """\
route: {route}
match: {{model: {model}}}
baseline: {{upstream: openai, deterministic: true}}
candidate: {{upstream: {upstream}, model: tuned, revision: "1"}}
assign: {{by: [user, conversation], close_after: 2h, population: fixed}}
shadow: {{sample: 2%, noise_floor: 0%}}
compare: [exact]
rollback: {{cooldown: 1d, quarantine_after: 1000}}
stages: [shadow, 50%, 100%]
"""
SETTINGS = """\
upstreams:
  openai: {{base_url: "{frontier}"}}
  vllm: {{kind: vllm, base_url: "{candidate}"}}
  well: {{kind: vllm, base_url: "{well}", api_key_file: well.key}}
  nowhere: {{kind: vllm, base_url: "http://no-such-host.invalid/v1"}}
policies: policies
state: "redis://127.0.0.1:{redis}/0"
capture: {{retention: {retention}d}}
"""
ROUTES = {"failing": ("gpt-4o", "vllm"), "other": ("gpt-4o-mini", "well"), "nameless": ("o3", "nowhere")}
HANG = Fault(before="hang")
ILL: dict[str, tuple[Fault | None, float]] = {
    # how a candidate fails: (None: it dies; how long until that is known)
    "candidate dies": (None, 0.0),
    "candidate hangs": (HANG, HANG_S),
    "candidate is slow": (Fault(delay_s=12.0), HANG_S),
    "candidate flaps": (Fault(status=500), 5.0),
    "candidate answers 500": (Fault(status=500), 0.0),
    "candidate answers HTML": (Fault(body="<html>busy</html>", content_type="text/html"), 0.0),
}


@dataclass(slots=True)
class ChaosFound:
    """What came of it."""

    seed: int
    faults: Counter[str] = field(default_factory=Counter[str])
    worst_s: dict[str, float] = field(default_factory=dict[str, float])
    """By kind of failing candidate: the longest until its weight was 0."""
    broken: list[str] = field(default_factory=list[str])
    """Promises that did not hold, each in a sentence."""
    ledger: Ledger = field(default_factory=Ledger)

    def held(self) -> bool:
        """Whether all held."""
        return not self.broken

    def report(self) -> str:
        """The table, and what broke."""
        lines = [f"seed {self.seed}; {sum(self.faults.values())} faults; {self.ledger.told()}"]
        for name, count in sorted(self.faults.items()):
            worst = f"weight 0 after {self.worst_s[name]:.1f} s at most" if name in self.worst_s else ""
            lines.append(f"  {name:<34}{count:>4}  {worst}")
        return "\n".join((*lines, *(f"BROKE: {each}" for each in self.broken)))


@dataclass(slots=True)
class Chaos:
    """The gateway, its surroundings, and what is done to them."""

    serving: Serving
    redis: RedisServer
    redis_port: int
    frontier: FakeUpstream
    candidate: FakeUpstream
    well: FakeUpstream
    alive: ExitStack
    chance: Dice
    found: ChaosFound
    has_disk: bool
    wall: SteppedClock | None = None
    """The wall clock of all of it; None: the machine's own, which nobody may step."""
    off_s: float = 0.0
    """How far that is off."""
    turns: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    retention: Iterator[int] = field(default_factory=lambda: itertools.cycle((90, 91)))
    unwatched_at: float = float("-inf")
    """When something that decides was last ill."""

    @property
    def root(self) -> Path:
        """Where its files are."""
        return self.serving.directory

    def weight_ppm(self, route: str = "failing") -> int:
        """A route's weight in the table that workers read."""
        try:
            routes = decode((self.serving.data / "routing.json").read_bytes()).routes
        except (OSError, RoutingError):
            return -1
        return next((each.weight_ppm for each in routes if each.name == route), -1)

    def knows_its_baselines(self) -> bool:
        """Whether it is known how long the baselines take: until then a candidate may hang for the default 10 s."""
        try:
            routes = decode((self.serving.data / "routing.json").read_bytes()).routes
        except (OSError, RoutingError):
            return False
        limits = [each.limits for each in routes if each.name in ("failing", "other")]
        return None not in {value for each in limits for value in (each.patience_first_token_s, each.patience_whole_s)}

    # Faults of a candidate ----------------------------------------------------------------------------------------

    async def ill(self, name: str) -> None:
        """The candidate fails until its weight is 0; then it is well again, and stays without traffic."""
        fault, hang_s = ILL[name]
        if self.weight_ppm() <= 0:
            return  # there is nothing to lose: another time
        self.found.faults[name] += 1
        began_s, share = clock.monotonic(), self.weight_ppm() / PPM
        await asyncio.to_thread(self._fail, fault)
        async with asyncio.TaskGroup() as group:
            flapping = group.create_task(self._flap(fault if "flaps" in name else None))
            await self._until(lambda: self.weight_ppm() == 0, LONGEST_S)
            flapping.cancel()
        down_s = clock.monotonic() - began_s
        await asyncio.to_thread(self._heal)
        self.found.worst_s[name] = max(self.found.worst_s.get(name, 0.0), down_s)
        slack_s = UNWATCHED_S if began_s - self.unwatched_at < UNWATCHED_S else 0.0
        if down_s > hang_s + WITHIN_S + slack_s and down_s * RATE * share > WITHIN_REQUESTS:
            self.found.broken.append(f"{name}: weight 0 after {down_s:.1f} s only, of {share:.0%}")
        await asyncio.sleep(2.0)
        if self.weight_ppm() > 0:
            self.found.broken.append(f"{name}: its traffic came back without a word")

    def _fail(self, fault: Fault | None) -> None:
        self.found.ledger.excuse()
        if fault is None:
            self.alive.close()
        else:
            self.candidate.fault = fault

    def _heal(self) -> None:
        self.candidate.fault = NONE
        if self.candidate.open == 0 and not self._listens():
            again = FakeUpstream(self.candidate.speaker, self.candidate.port, require_key=False)
            self.candidate = self.alive.enter_context(in_thread(again))

    def _listens(self) -> bool:
        try:
            httpx.get(f"{self.candidate.base_url}/models", timeout=5.0)
        except httpx.TransportError:
            return False
        return True

    async def _flap(self, fault: Fault | None) -> None:
        for state in itertools.cycle((NONE, fault) if fault is not None else ()):
            await asyncio.sleep(1.0)
            self.candidate.fault = state

    async def no_name(self) -> None:
        """A route whose candidate's name does not resolve gets half of its traffic, and loses it."""
        await self._to("nameless")

    # Faults of all else -------------------------------------------------------------------------------------------

    async def kill_slot(self, slot: str) -> None:
        """SIGKILL one process."""
        pid = self.serving.pid_of(slot)
        if pid is None:
            return
        if slot.startswith("worker"):
            self.found.ledger.excuse(is_worker=True)
        else:
            self._unwatched()
        with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
            os.kill(pid, signal.SIGKILL)

    async def disk_full(self) -> None:
        """The disk has no room for a while."""
        ballast = self.root / "ballast"
        self._unwatched()
        self.found.ledger.excuse(is_disk=True)
        with contextlib.suppress(OSError), ballast.open("wb") as file:  # closing it tries the last bytes again
            while True:
                file.write(bytes(1 << 20))
                file.flush()
        await asyncio.sleep(self.chance.uniform(1.0, 4.0))
        ballast.unlink(missing_ok=True)
        self.found.ledger.excuse(is_disk=True)
        self._unwatched()

    async def redis_away(self) -> None:
        """The state's server stands still, or is gone with all it knew."""
        self._unwatched()
        if self.chance.random() < 0.5:
            self.redis.send(signal.SIGSTOP)
            await asyncio.sleep(self.chance.uniform(1.0, 6.0))
            self.redis.send(signal.SIGCONT)
        else:
            await asyncio.to_thread(self.redis.stop)
            await asyncio.sleep(self.chance.uniform(0.5, 4.0))
            await asyncio.to_thread(self.redis.start, "--port", str(self.redis_port))
        self._unwatched()

    async def away(self, name: str) -> None:
        """A file or folder is away for a moment."""
        (self.root / name).rename(self.root / f"{name}.away")
        await asyncio.sleep(self.chance.uniform(0.5, 3.0))
        (self.root / f"{name}.away").rename(self.root / name)

    async def reload(self, *, good: bool) -> None:
        """SIGHUP with new settings, or with settings that are refused."""
        self._unwatched()
        text = self.settings(next(self.retention))
        self.serving.settings = text if good else f"{text}nonsense: true\n"
        self.serving.write_settings()
        self.serving.process.send_signal(signal.SIGHUP)
        await asyncio.sleep(1.0)
        self.serving.settings = text
        self.serving.write_settings()

    async def kill_switch(self) -> None:
        """An operator's kill, and its end."""
        await asyncio.to_thread(self.serving.crossfade, "kill")
        await asyncio.sleep(1.0)
        await asyncio.to_thread(self.serving.crossfade, "kill", "--off")

    async def broken_policy(self) -> None:
        """A policy is edited into nonsense, and back."""
        path = self.root / "policies" / "failing.yaml"
        good = path.read_text()
        path.write_text(good.replace("stages:", "stagse:"))
        await asyncio.sleep(1.0)
        path.write_text(good)

    async def clock_steps(self) -> None:
        """The wall clock steps, ahead or back, by less than a second or by most of an hour, and stays there."""
        assert self.wall is not None
        by_s = self.chance.choice((-1.0, 1.0)) * STEP_S[0] * (STEP_S[1] / STEP_S[0]) ** self.chance.random()
        if abs(self.off_s + by_s) > FURTHEST_S:
            by_s = -by_s
        self.off_s += by_s
        print(f"  by {by_s:+.1f} s, {self.off_s:+.1f} s off", flush=True)  # noqa: T201 -- as `rage` says what it does
        self.wall.set(self.off_s)

    def settings(self, retention: int) -> str:
        """crossfade.yaml beside its ports."""
        return SETTINGS.format(
            frontier=self.frontier.base_url, candidate=f"http://127.0.0.1:{self.candidate.port}/v1",
            well=self.well.base_url, redis=self.redis_port, retention=retention,
        )  # fmt: skip

    def _unwatched(self) -> None:
        self.unwatched_at = clock.monotonic()

    def kinds(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """Every fault by its name."""
        slots = ("worker-0", "worker-1", "controller", "recorder", "shadow")
        found: dict[str, Callable[[], Awaitable[None]]] = {f"kill {slot}": _of(self.kill_slot, slot) for slot in slots}
        found |= {name: _of(self.ill, name) for name in ILL}
        found |= {
            "redis away": self.redis_away, "a name that does not resolve": self.no_name,
            "key file away": _of(self.away, "well.key"), "policies away": _of(self.away, "policies"),
            "reload": lambda: self.reload(good=True), "reload, refused": lambda: self.reload(good=False),
            "kill switch": self.kill_switch, "policy broken": self.broken_policy,
        }  # fmt: skip
        found |= {"disk full": self.disk_full} if self.has_disk else {}
        return found | ({"the clock steps": self.clock_steps} if self.wall is not None else {})

    # Operators ----------------------------------------------------------------------------------------------------

    async def _to(self, route: str) -> bool:
        """Half of its traffic, by an operator's word; whether it has it."""
        if self.weight_ppm(route) == 0:
            await asyncio.to_thread(self._order, route)
        return await self._until(lambda: self.weight_ppm(route) > 0, 10.0)

    async def _until(self, holds: Callable[[], bool], longest_s: float) -> bool:
        """Whether it holds in time; what it looks at is a file."""
        until_s = clock.monotonic() + longest_s
        while not (held := holds()) and clock.monotonic() < until_s:  # noqa: ASYNC110 -- a file tells nobody of its change
            await asyncio.sleep(0.05)
        return held

    def _order(self, route: str) -> None:
        """`resume` and `promote`, without the half second that a command takes to start; blocks."""
        where = state_location.find(load(self.root / "crossfade.yaml", {}), DataDir(self.serving.data), {})
        times = OrderClock(clock.wall, clock.monotonic, time.sleep)
        try:
            state = open_state(where)
            try:
                for verb in (Verb.RESUME, Verb.PROMOTE):
                    name = f"chaos-{next(self.turns)}"
                    order = order_of(name, route, verb, by="chaos", reason="chaos", now=clock.wall())
                    operate(state, order, times, version="0")
            finally:
                state.close()
        except StateDownError:
            return  # it is away just now: another time

    async def await_baselines(self) -> None:
        """Traffic without a fault, until the bar for a hang is what the gateway goes by."""
        if not await self._until(self.knows_its_baselines, LONGEST_S):
            self.found.broken.append("how long the baselines take is not known after all this time")

    async def rage(self, until_s: float) -> None:
        """A fault, a pause, and again."""
        kinds = self.kinds()
        names = sorted(kinds)
        while clock.monotonic() < until_s:
            for route in ("failing", "other"):
                await self._to(route)
            name = self.chance.choice(names)
            if name not in ILL:
                self.found.faults[name] += 1
            print(f"{clock.monotonic():.1f} {name}", flush=True)  # noqa: T201 -- minutes pass without a word
            await kinds[name]()
            await asyncio.sleep(self.chance.uniform(*GAP_S))

    async def recover(self) -> None:
        """All is well again: everything has to be back by itself, within BACK_S."""
        serving = self.serving

        def is_back() -> bool:
            return serving.is_ready() and all(each["pid"] for each in serving.status()["processes"])

        try:
            await asyncio.to_thread(await_true, is_back, "every process is back", patience_s=BACK_S)
        except AssertionError as error:
            self.found.broken.append(str(error))
        for route in ("failing", "other"):
            until_s = clock.monotonic() + BACK_S
            while not await self._to(route) and clock.monotonic() < until_s:
                continue  # it took ten seconds
            if self.weight_ppm(route) <= 0:
                said = await asyncio.to_thread(serving.crossfade, "status")
                self.found.broken.append(f"{route} cannot be promoted any more: {said.stdout}")
        asked = len(self.candidate.ledger)
        await asyncio.sleep(5.0)
        if len(self.candidate.ledger) == asked:
            self.found.broken.append("the candidate is asked nothing any more")


def _of(act: Callable[[str], Awaitable[None]], name: str) -> Callable[[], Awaitable[None]]:
    return lambda: act(name)


@contextmanager
def _house(directory: Path, seed: int, *, has_disk: bool) -> Generator[Chaos]:
    (directory / "policies").mkdir(parents=True)
    (directory / "well.key").write_text("sk-well\n")
    for route, (model, upstream) in ROUTES.items():
        text = POLICY.format(route=route, model=model, upstream=upstream)
        (directory / "policies" / f"{route}.yaml").write_text(text)
    with ExitStack() as stack:
        slow = Fault(delay_s=0.02, gap_s=0.002)
        frontier = stack.enter_context(in_thread(FakeUpstream(Speaker("frontier"), require_key=False, fault=slow)))
        alive = stack.enter_context(ExitStack())
        candidate = alive.enter_context(in_thread(FakeUpstream(Speaker("tuned", vllm=True), require_key=False)))
        well = stack.enter_context(in_thread(FakeUpstream(Speaker("well", vllm=True), require_key=False)))
        folder, port = directory / "redis", free_port()
        folder.mkdir()
        redis = stack.enter_context(running(kinds()[0], folder, "--port", str(port)))
        serving = Serving(directory, worker=REAL, workers=2)
        chaos = Chaos(
            serving, redis, port, frontier, candidate, well, alive, dice(seed), ChaosFound(seed), has_disk,
            stepped_clock.inherited(os.environ),
        )  # fmt: skip
        serving.settings = chaos.settings(next(chaos.retention))
        with serving:
            serving.await_ready()
            serving.await_control()
            yield chaos


async def run_inside(directory: Path, minutes: float, seed: int, *, has_disk: bool) -> ChaosFound:
    """The run itself, on a disk that may be small."""
    with _house(directory, seed, has_disk=has_disk) as chaos:
        limits = httpx.Limits(max_connections=2000, max_keepalive_connections=50)
        url, headers = f"http://127.0.0.1:{chaos.serving.port}/v1", {"authorization": "Bearer sk-app"}
        app = httpx.AsyncClient(base_url=url, headers=headers, timeout=None, limits=limits)  # noqa: S113 -- each try has one
        stop = asyncio.Event()
        async with app, asyncio.TaskGroup() as group:
            for model, rate in (("gpt-4o", RATE), ("gpt-4o-mini", RATE), ("o3", 1.0)):
                group.create_task(load_apps(app, chaos.found.ledger, model, rate, stop))
            await chaos.await_baselines()
            await chaos.rage(clock.monotonic() + 60 * minutes)
            await chaos.recover()
            stop.set()
        found, data = chaos.found, chaos.serving.data
        lost = await asyncio.to_thread(_lost, chaos)
        found.broken += await found.ledger.compared(data / "records", chaos.frontier.ledger, lost=lost)
    return found


def _lost(chaos: Chaos) -> int:
    """Exchanges that the gateway says it could not keep."""
    page = chaos.serving.admin("/metrics").text
    return int(float(next(line for line in page.splitlines() if line.startswith(LOST)).rpartition(" ")[2]))


LOST = "crossfade_worker_lost_exchanges_total"


def chaos(directory: Path, minutes: float, seed: int) -> int:
    """Run it, as root in a mount namespace with a small disk, by a clock of its own; 0: all held."""
    directory.mkdir(parents=True)
    environment = dict(os.environ)
    if stepped_clock.compiler() is not None:
        beside = directory.with_name(f"{directory.name}-clock")
        beside.mkdir()
        environment |= stepped_clock.made(beside).environment
    words = [sys.executable, "-m", "tests.faults.chaos", str(directory), str(minutes), str(seed)]
    if can_mount():
        inside = f"mount -t tmpfs -o size={DISK_MB}m none {directory} && exec {' '.join(words)} disk"
        words = ["unshare", "-m", "sh", "-c", inside]
    return subprocess.run(words, env=environment, check=False).returncode


if __name__ == "__main__":
    at = Path(sys.argv[1])
    result = asyncio.run(
        run_inside(at / "house", float(sys.argv[2]), int(sys.argv[3]), has_disk=sys.argv[4:] == ["disk"])
    )
    print(result.report())  # noqa: T201 -- to whoever ran it in its namespace
    if not result.held():
        shutil.copy(at / "house" / "log.jsonl", f"chaos-{result.seed}.jsonl")
    sys.exit(0 if result.held() else 1)
