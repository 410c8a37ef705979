"""A controller over a data directory, with the worker's and the shadow's journals written as they write them.

Time is an argument: everybody reads `Room.now`. Nothing here decides anything; it acts as workers and shadow do.
"""

import itertools
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import msgspec

from gateway.config.settings import Settings, Upstream
from gateway.control.controller.boot import ControllerBoot
from gateway.control.controller.process import Controller, Parts
from gateway.control.events.outbox import SCHEMA
from gateway.control.leader.announce import Announcer
from gateway.control.leader.webhooks import Notifier
from gateway.control.publish.policy_compiler import PolicyReader
from gateway.control.publish.table import base_table
from gateway.control.state.port import SharedState
from gateway.control.state.sqlite import SqliteState
from gateway.log import Log
from gateway.node.database import connect
from gateway.node.state_location import StatePlace
from policies.assignment import bucket
from policies.candidates import route_of
from policies.routing import Table, decode
from policies.surroundings import KnownUpstream, Surroundings
from records.comparison import Asked, Comparison
from records.exchange import Meta, Note
from records.journal.writer import JournalWriter
from shadow.plan import read as read_plan
from tests.fakes.exchanges import AT, chat_answer, chat_request, exchange

KEY = bytes(range(32))
ROUTE = "triage"
POLICY = """\
route: triage
match: {model: gpt-4o}
baseline: {upstream: openai}
candidate: {upstream: vllm, model: triage-7b, revision: r1}
assign: {by: [user], close_after: 1s, population: fixed}
shadow: {noise_floor: 10%}
compare: [exact, {python: {ref: 'evals.py:score'}}]
gates: {quality: {metric: python, margin: 0.2}, errors: {margin: 0.2}, latency: {ttft_p95: 800ms, warmup: 1}}
stages:
  - shadow: {min_units: 20, days: 0}
  - 10%: {min_units: 20, hold: 2s, reverse_shadow: 100%}
  - 50%: {min_units: 20, hold: 2s, reverse_shadow: 100%}
  - 100%: {hold: 2s, holdback: 2%, reverse_shadow: 20%}
rollback: {cooldown: 30s}
"""


def surroundings() -> Surroundings:
    return Surroundings(
        {"openai": KnownUpstream(has_background_key=True), "vllm": KnownUpstream(has_background_key=True)}
    )


@dataclass(slots=True)
class Candidate:
    """How the candidate fares."""

    q: float = 0.0
    fails: Callable[[str], bool] = lambda _: False
    """By unit."""
    total_ms: float = 200.0


@dataclass(slots=True)
class Room:
    """A node: its files, its worker's journal, its shadow's, and the controllers of it, one after another."""

    root: Path
    shared: Callable[[], SharedState] | None = None
    """Where the shared state is, if not beside the node's own."""
    now: float = AT
    log: StringIO = field(default_factory=StringIO)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    candidate: Candidate = field(default_factory=Candidate)
    candidates: dict[str, Candidate] = field(default_factory=dict[str, Candidate])
    """By rollout, where a route has several; who is not named here is `candidate`."""
    shadow_alive: bool = True
    stack: ExitStack = field(default_factory=ExitStack, init=False)
    worker: JournalWriter = field(init=False)
    mirror: JournalWriter = field(init=False)
    served: list[str] = field(default_factory=list, init=False)
    """Variant of each exchange, in order."""

    def __post_init__(self) -> None:
        for name in ("journal", "policies", "run", "readers"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        self.worker = JournalWriter(self.root / "journal" / "worker-1", KEY, now=lambda: self.now)
        self.mirror = JournalWriter(self.root / "journal" / "shadow-1", KEY, now=lambda: self.now)
        self.stack.callback(self.worker.close)
        self.stack.callback(self.mirror.close)

    def policy(self, text: str = POLICY, name: str = "triage.yaml") -> None:
        (self.root / "policies" / name).write_text(text)

    def boot(self) -> ControllerBoot:
        upstreams = {
            "openai": Upstream(base_url="https://api.openai.com/v1"),
            "vllm": Upstream(kind="vllm", base_url="http://127.0.0.1:8000/v1"),
        }
        return ControllerBoot(
            base=base_table(Settings(upstreams=upstreams), self.root / "run"),
            surroundings=surroundings(),
            policies=str(self.root / "policies"),
            data=str(self.root),
            journal_key=KEY.hex(),
            state=StatePlace(str(self.root / "state.db")),
            routing=str(self.root / "routing.json"),
            status=str(self.root / "run" / "controller.json"),
            shadow_plan=str(self.root / "run" / "shadow.json"),
            exposition=str(self.root / "run" / "controller.prom"),
        )

    def controller(self) -> Controller:
        """Another one, as after a crash: nothing of the last one is left but what it wrote."""
        boot, log = self.boot(), Log("controller", lambda: self.now, self.log)
        state = connect(self.root / "state.db", SCHEMA)
        self.stack.callback(state.close)
        shared = self.shared() if self.shared is not None else SqliteState(self.root / "state.db")
        self.stack.callback(shared.close)
        notes = JournalWriter(self.root / "journal" / f"controller-{next(self.numbers)}", KEY, now=lambda: self.now)
        self.stack.callback(notes.close)
        teller = Announcer("test", notes, self.root / "evidence", Notifier(log), log)
        compiler = PolicyReader(boot.surroundings, boot.policies).compile
        made = Controller(boot, compiler, log, Parts(state, shared, teller), monotonic=lambda: self.now)
        made.begin(self.now)
        return made

    def close(self) -> None:
        self.stack.close()

    # Traffic ------------------------------------------------------------------------------------------------------

    def table(self) -> Table:
        return decode((self.root / "routing.json").read_bytes())

    def weight_ppm(self) -> int:
        return self.table().routes[0].weight_ppm

    def ask(self, unit: str, **fields: object) -> Meta:
        """One request of `unit`, as a worker serves and journals it; the shadow does its part at once."""
        table = self.table()
        route = table.routes[0]
        is_candidates = bucket(unit, route.assign.salt or route.name) < route.weight_ppm
        told: dict[str, object] = {
            "route": route.name, "unit": unit, "variant": "baseline", "why": "assigned", "arrived_at": self.now,
            "weight_ppm": route.weight_ppm, "table_version": table.version, "first_byte_s": 0.2, "total_s": 0.3,
            "table_revision": route.candidate.revision if route.candidate else "",
        }  # fmt: skip
        if is_candidates:
            told |= {"why": "fallback", "reason": "timeout"} if self.candidate.fails(unit) else {"variant": "candidate"}
        made = exchange(next(self.numbers), chat_request(f"Where is the order of {unit}?"), **{**told, **fields})
        self.served.append(made.meta.variant)
        self.worker.whole(made.meta, made.request_body, made.response_body)
        assert self.worker.commit()
        self.compare(made.meta)
        return made.meta

    def compare(self, meta: Meta) -> None:
        """What the shadow writes for what its lot drew, by the plan there is."""
        plan = read_plan(self.root / "run" / "shadow.json")
        if plan is None or not self.shadow_alive:
            return
        for route in plan.routes:
            for asked in route.asked_beside(meta) if meta.route == route_of(route.route) else ():
                self.compared(self.comparison(meta, asked, route.candidate_key, route.route))

    def comparison(self, meta: Meta, asked: Asked, candidate_key: str, rollout: str = "") -> Comparison:
        candidate = self.candidates.get(rollout, self.candidate)
        failed = asked == "candidate" and candidate.fails(meta.unit)
        output = json.dumps({"digest": meta.id[-6:], "length": 20})
        return Comparison(
            exchange_id=meta.id, asked=asked, route=rollout or meta.route, unit=meta.unit, candidate_key=candidate_key,
            compared_us=int(self.now * 1e6), p_mirror=1.0, came="failed" if failed else "answered", status=200,
            metric="exact", q=None if failed else candidate.q, agree=1.0, first_byte_ms=candidate.total_ms,
            total_ms=candidate.total_ms, output_candidate_json=output, output_baseline_json=output,
            answer_json=None if failed else chat_answer("It is here.").decode(),
        )  # fmt: skip

    def compared(self, row: Comparison) -> None:
        assert self.mirror.note(Note("comparisons", msgspec.msgpack.encode(row)))

    def live(self, controller: Controller, *, seconds: float, rate: int = 20, step_s: float = 0.5) -> None:
        """Traffic of one-request conversations, and a controller that ticks."""
        for _ in range(round(seconds / step_s)):
            for _ in range(round(rate * step_s)):
                self.ask(f"{next(self.numbers):016x}")
            self.now += step_s
            controller.tick(self.now)
