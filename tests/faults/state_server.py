"""A server of the shared state that fails in every way, under a controller's calls: each ends in time, or says why not.

A caller makes a controller's calls four times a second, while the server is well, while it is not, and after.
"""

import io
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import redis

from gateway import clock
from gateway.config.state_url import StateServer
from gateway.control.controller.outage import Outage
from gateway.control.state.port import Node, QueuedEvent, SharedState, Snapshot, StateDownError, Stored
from gateway.control.state.redis import RedisState
from gateway.control.state.redis_base import key
from gateway.control.state.redis_link import CALL_S, Link
from gateway.control.state.seal import RecordSeal
from gateway.control.state.witness import Newest
from gateway.log import Log
from tests.fakes.redis_server import RedisServer
from tests.fakes.state_proxy import Proxy, behind
from tests.faults.dice import dice
from tests.rooms.stores import KEY
from tests.rooms.waiting import PATIENCE_S, starved_s

TICK_S = 0.25
SLACK_S = 0.25
"""Beyond a call's own deadline, and beyond what this process waited for a core meanwhile."""
RECOVERY_S = 5.0
LOG_S = 10.0
WEIGHT_PPM = 250_000


class Lines(io.TextIOBase):
    """A log that is counted."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def write(self, line: str) -> int:
        self.lines.append(line)
        return len(line)


@dataclass(slots=True)
class Caller:
    """A controller's calls, and how they went."""

    state: SharedState
    calls: int = 0
    down: int = 0
    longest_s: float = 0.0
    surprises: list[str] = field(default_factory=list[str])
    """What was raised and is no StateDownError."""
    reasons: list[str] = field(default_factory=list[str])
    weights: set[int] = field(default_factory=set[int])
    lines: Lines = field(default_factory=Lines)
    number: int = 0
    epoch: int | None = None

    def tick(self, outage: Outage) -> bool:
        """One look of a controller's. Returns whether all went well."""
        self.number += 1
        now = clock.wall()
        calls: list[Callable[[], object]] = [
            lambda: self.state.heard(Node("n1", now)),
            self._look,
            lambda: self.state.offer([QueuedEvent("n1", self.number, "triage", b"x" * 2000)]),
            lambda: self.state.offered("triage", {}, 10),
            self.state.orders,
            self.state.killed,
            self._lead,
            self._keep,
            lambda: self.state.forget_offered("triage", {"n1": self.number}),
        ]
        reason = next((reason for call in calls if (reason := self._timed(call)) is not None), None)
        if reason is None:
            outage.over(clock.monotonic())
            return True
        outage.told(reason, clock.monotonic())
        return False

    def _look(self) -> None:
        self.weights |= {kept.weight_ppm for kept in self.state.rollouts().values()}

    def _lead(self) -> None:
        self.epoch = self.state.lead("n1", clock.wall())

    def _keep(self) -> None:
        """As a leader does: evidence grows, and what it holds is let go of."""
        if self.epoch is not None:
            self.state.keep_snapshot("triage", Snapshot(b"{}", {"n1": self.number}, self.number), epoch=self.epoch)

    def _timed(self, call: Callable[[], object]) -> str | None:
        began, starved = clock.monotonic(), starved_s()
        try:
            call()
        except StateDownError as error:
            self.down += 1
            self.reasons.append(str(error))
            return str(error)
        except Exception as error:  # noqa: BLE001 -- what must not happen is counted
            self.surprises.append(repr(error))
            return repr(error)
        finally:
            self.calls += 1
            self.longest_s = max(self.longest_s, clock.monotonic() - began - max(0.0, starved_s() - starved))
        return None


@dataclass(slots=True)
class FaultFound:
    """One fault."""

    name: str
    calls: int = 0
    down: int = 0
    longest_s: float = 0.0
    surprises: list[str] = field(default_factory=list[str])
    recovery_s: float | None = None
    lines: int = 0
    lines_allowed: int = 0
    weights: set[int] = field(default_factory=set[int])
    reason: str = ""
    may_work: bool = False
    """Whether calls may go well while it lasts: the fault is met, and set right."""

    def held(self) -> bool:
        """Whether every call ended in time, nothing surprised, and all was well soon after."""
        return (
            self.calls > 0
            and not self.surprises
            and (self.down > 0 or self.may_work)
            and self.longest_s <= CALL_S + SLACK_S
            and self.recovery_s is not None
            and self.recovery_s <= RECOVERY_S
            and self.lines <= self.lines_allowed
            and self.weights == {WEIGHT_PPM}
        )

    def row(self) -> str:
        """Its figures."""
        recovery = "never" if self.recovery_s is None else f"{self.recovery_s:.2f} s"
        moved = "no" if self.weights == {WEIGHT_PPM} else f"YES {sorted(self.weights)}"
        return (
            f"{self.name:32} {self.calls:6} {self.down:6} {self.longest_s:9.3f} s {recovery:>9} "
            f"{self.lines:3}/{self.lines_allowed:<3} {moved:7} {'ok' if self.held() else 'BROKEN'}  {self.reason[:60]}"
            + (f"  SURPRISE {self.surprises[0]}" if self.surprises else "")
        )


@dataclass(slots=True)
class FaultsFound:
    """All faults of one server."""

    kind: str
    faults: list[FaultFound] = field(default_factory=list[FaultFound])

    def held(self) -> bool:
        """Whether each was met."""
        return bool(self.faults) and all(fault.held() for fault in self.faults)

    def report(self) -> str:
        """The table."""
        head = (
            f"{'fault (' + self.kind + ')':32} {'calls':>6} {'down':>6} {'longest':>11} {'back in':>9} {'log':7} moved"
        )
        return "\n".join([head, *(fault.row() for fault in self.faults)])


@dataclass(frozen=True, slots=True)
class Stage:
    """What faults are played on."""

    server: RedisServer
    proxy: Proxy
    raw: redis.Redis
    """A way in past all of ours."""


Act = Callable[[Stage], object]


@dataclass(frozen=True, slots=True)
class Fault:
    """How a server fails, and how it comes back."""

    name: str
    begin: Act
    end: Act
    may_work: bool = False


def _nothing(_stage: Stage) -> None:
    """It is over by itself, or must be set right by us."""


def _garble(stage: Stage) -> None:
    """Write nonsense and moved records over everything of ours."""
    raw = stage.raw
    rolls = dice(7)
    for name in raw.scan_iter(match=key("*"), count=1000):
        kind = raw.type(name)
        if kind == b"hash":
            for each, value in raw.hgetall(name).items():
                raw.hset(name, each, rolls.choice((b"junk", value[:-1], value[::-1], b"")))
        elif kind == b"string":
            raw.set(name, rolls.choice((b"junk", b"", b"cf1 ")))
        elif kind == b"stream":
            raw.xadd(name, {"e": b"junk"}, id="9999999-0")


def _set(**options: str) -> Act:
    def apply(stage: Stage) -> None:
        for name, value in options.items():
            stage.raw.config_set(name.replace("_", "-"), value)

    return apply


def _fill(stage: Stage) -> None:
    """More than there is room for, and nothing may go."""
    stage.raw.set("filler", b"x" * 2_000_000)
    _set(maxmemory="1mb", maxmemory_policy="noeviction")(stage)


def _proxied(**fields: object) -> Act:
    def apply(stage: Stage) -> None:
        for name, value in fields.items():
            setattr(stage.proxy, name, value)

    return apply


FAULTS = (
    Fault("refused", lambda on: on.server.stop(), lambda on: on.server.start()),
    Fault("frozen (SIGSTOP)", lambda on: on.server.send(signal.SIGSTOP), lambda on: on.server.send(signal.SIGCONT)),
    Fault("paused (CLIENT PAUSE)", lambda on: on.raw.client_pause(2_000), _nothing),
    Fault("200 ms late", _proxied(delay_s=0.2), _proxied(delay_s=0.0), may_work=True),
    Fault("600 ms late", _proxied(delay_s=0.6), _proxied(delay_s=0.0)),
    Fault("cut in the middle of answers", _proxied(cut=True), _proxied(cut=False)),
    Fault("not Redis at all", _proxied(nonsense=b"HTTP/1.1 400 Bad Request\r\n\r\n"), _proxied(nonsense=b"")),
    Fault("flushed", lambda on: on.raw.flushall(), _nothing, may_work=True),
    Fault("out of memory", _fill, _set(maxmemory="0")),
    Fault(
        "a read-only replica", lambda on: on.raw.replicaof("127.0.0.1", "1"), lambda on: on.raw.replicaof("NO", "ONE")
    ),
    Fault("nonsense in our keys", _garble, _nothing, may_work=True),
)


def _client(proxy: Proxy, folder: Path, node: str) -> RedisState:
    link = Link(StateServer("127.0.0.1", proxy.port), None, None, clock.monotonic)
    return RedisState(link, RecordSeal(KEY), Newest(folder / f"{node}.db"), holder=node)


def server_faults(server: RedisServer, kind: str, folder: Path, *, lasts_s: float = 3.0) -> FaultsFound:
    """Every fault in turn, on a server that runs."""
    found = FaultsFound(kind)
    for number, fault in enumerate(FAULTS):
        with behind(server) as proxy, server.client() as raw:
            raw.flushall()
            state = _client(proxy, folder, f"{kind}{number}")
            found.faults.append(_one(fault, Stage(server, proxy, raw), state, lasts_s))
            state.close()
    found.faults.append(_down_at_boot(server, folder, kind, lasts_s))
    return found


def _one(fault: Fault, stage: Stage, state: RedisState, lasts_s: float) -> FaultFound:
    caller = Caller(state)
    outage = Outage(Log("controller", stream=caller.lines))
    _prepare(state, caller, outage)
    fault.begin(stage)
    began = clock.monotonic()
    while clock.monotonic() - began < lasts_s:
        caller.tick(outage)
        time.sleep(TICK_S)
    fault.end(stage)
    return _recovered(fault.name, caller, outage, lasts_s, may_work=fault.may_work)


def _prepare(state: RedisState, caller: Caller, outage: Outage) -> None:
    epoch = state.lead("n1", clock.wall())
    assert epoch is not None
    assert state.store("triage", Stored(0, 0, WEIGHT_PPM, b"{}", clock.wall(), "n1"), expected=0, epoch=epoch)
    assert caller.tick(outage), caller.reasons


def _recovered(name: str, caller: Caller, outage: Outage, lasts_s: float, *, may_work: bool) -> FaultFound:
    """Go on until a tick goes well."""
    began, starved = clock.monotonic(), starved_s()
    recovery_s: float | None = None
    while recovery_s is None and clock.monotonic() - began < PATIENCE_S:
        if caller.tick(outage):
            recovery_s = clock.monotonic() - began - max(0.0, starved_s() - starved)
        else:
            time.sleep(TICK_S)
    # One line when it begins and one when it is over, and one in each ten seconds between.
    allowed = 2 + int((lasts_s + clock.monotonic() - began) / LOG_S)
    return FaultFound(
        name, caller.calls, caller.down, caller.longest_s, caller.surprises, recovery_s, len(caller.lines.lines),
        allowed, caller.weights, caller.reasons[0] if caller.reasons else "", may_work,
    )  # fmt: skip


def _down_at_boot(server: RedisServer, folder: Path, kind: str, lasts_s: float) -> FaultFound:
    """The server comes up only after the controller."""
    server.stop()
    link = Link(StateServer(socket=str(server.socket)), None, None, clock.monotonic)
    state = RedisState(link, RecordSeal(KEY), Newest(folder / f"{kind}-boot.db"), holder="boot")
    caller = Caller(state)
    outage = Outage(Log("controller", stream=caller.lines))
    began = clock.monotonic()
    while clock.monotonic() - began < lasts_s:
        caller.tick(outage)
        time.sleep(TICK_S)
    server.start()
    found = _recovered("down at boot, then there", caller, outage, lasts_s, may_work=False)
    _prepare(state, caller, outage)
    caller.tick(outage)
    found.weights = caller.weights
    state.close()
    return found
