"""A data directory as a gateway leaves it, and the console over it in this process.

Records come out of a journal through the real recorder; the rollout and its look stand in a real state.
"""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import msgspec

from gateway import clock
from gateway.admin.auth import Door
from gateway.console.app import add_console
from gateway.control.controller.status import ControllerStatus, PolicyStatus
from gateway.control.prices import PriceOverride
from gateway.control.recorder.process import Recorder
from gateway.control.state.sqlite import SqliteState
from gateway.node.datadir import DataDir, prepare
from policies.results import Alarm, GateResult, Results
from policies.rollout import Rollout
from policies.routing import Lease, Route, Table, Upstream, Variant, encode
from policies.terms import Better, Verdict
from records.comparison import Comparison
from records.exchange import Note
from tests.fakes.exchanges import chat_answer, chat_request
from tests.rooms.admin_pages import app_over, pages
from tests.rooms.kept_rollouts import CANARY, keep
from tests.rooms.looks import look
from tests.rooms.recording import Place, Worker
from tests.rooms.rollouts import HEALTHY

OPEN = Door()
"""Without a token, on a loopback address."""
ORIGIN = "http://127.0.0.1:8081"
GATES = (
    GateResult(
        "quality", Verdict.PASS, "quality: certified", 400, -0.01, -0.02, 0.0, -0.05, log10_e=2.5, needed=1.3,
        units_to_go=0,
    ),
    GateResult(
        "errors", Verdict.INCONCLUSIVE, "errors: not certified yet", 300, -0.004, -0.02, 0.005, -0.01, log10_e=0.4,
        needed=1.3, units_to_go=600,
    ),
    GateResult("latency", Verdict.FAIL, "latency: too slow", 250, 0.8, 0.7, 0.9, 0.95, log10_e=-3.0, needed=1.3),
    GateResult("cost", Verdict.PASS, "cost: 0.2 times", 250, 0.2, 0.1, 0.3, 1.0, better=Better.LOWER, required=False),
)  # fmt: skip
ALARM = Alarm("errors", 2.5, 4.0, raised=False, reason="detector errors: quiet")
RESULTS = Results(GATES[:2], (HEALTHY,), (ALARM,), units=300, serving="answered 12 of the last 12 requests")
PRICES = (
    PriceOverride("openai", prompt_usd=2.5, completion_usd=10.0),
    PriceOverride("vllm", prompt_usd=0.1, completion_usd=0.4),
)


@dataclass(slots=True)
class ConsoleHouse:
    """The directory, and hands to fill it."""

    place: Place
    worker: Worker
    recorder: Recorder
    ids: list[str] = field(default_factory=list[str])

    @property
    def data(self) -> DataDir:
        return DataDir(self.place.root)

    def ask(self, text: str = "Where is my order?", told: str = "It is on its way.", **meta: Any) -> str:
        """An app asks, and gets an answer."""
        usual = {"route": "triage", "request": chat_request(text), "response": chat_answer(told)}
        self.ids.append(self.worker.whole(**(usual | meta)))
        return self.ids[-1]

    def compare(self, exchange_id: str, answer: bytes | None = None, **fields: Any) -> None:
        """The shadow put something beside it."""
        usual: dict[str, Any] = {
            "exchange_id": exchange_id, "asked": "candidate", "route": "triage", "unit": "u1", "candidate_key": "k",
            "compared_us": int(clock.wall() * 1e6), "p_mirror": 1.0, "came": "answered", "status": 200,
            "metric": "json_fields", "q": 0.0, "agree": 1.0, "scores_json": '{"json_fields":{"q":0.0,"agree":1.0}}',
            "first_byte_ms": 20.0, "total_ms": 60.0, "completion_tokens": 6, "cost_usd": 0.000004,
            "cost_served_usd": 0.0001, "answer_json": None if answer is None else answer.decode(),
        }  # fmt: skip
        row = Comparison(**(usual | fields))
        assert self.worker.writer.note(Note("comparisons", msgspec.msgpack.encode(row)))

    def record(self) -> None:
        """Let the recorder take it all in."""
        for _ in range(3):
            self.place.step(self.recorder)

    def furnish(self) -> None:
        """A little of everything: both variants, a fallback, an ineligible and an unrouted one, an error, pairs."""
        first = self.ask(told=json.dumps({"team": "billing", "urgency": "low"}))
        self.compare(first, chat_answer(json.dumps({"team": "billing", "urgency": "high"})), q=-0.5, agree=0.5)
        second = self.ask(told="the same")
        self.compare(second, chat_answer("the same"))
        self.compare(second, chat_answer("the same again"), asked="baseline_again", q=None, metric="")
        third = self.ask(variant="candidate", upstream="vllm", told="from ours")
        self.compare(third, chat_answer("from theirs"), asked="baseline", q=0.5, cost_usd=0.0002)
        fourth = self.ask()
        self.compare(fourth, None, came="failed", reason="server_error", q=None, metric="", agree=None)
        self.ask(why="fallback", reason="first_byte_timeout")
        self.ask(why="ineligible", reason="images")
        self.ask(status=500, outcome="upstream_error", variant="gateway")
        self.ask("Nobody's", route="", why="unrouted")
        self.record()


def table(name: str = "triage") -> Table:
    """One route, its candidate at 5 %."""
    route = Route(name, Variant("openai"), candidate=Variant("vllm", "m-7b", "1"), weight_ppm=50_000)
    upstreams = (Upstream("openai", "https://api.openai.com/v1"), Upstream("vllm", "http://127.0.0.1:9/v1"))
    return Table(7, Lease(clock.wall()), upstreams, "openai", routes=(route,))


@contextmanager
def house(root: Path) -> Iterator[ConsoleHouse]:
    """An empty one: a table, and no record yet."""
    prepare(root)
    place = Place(root)
    (root / "routing.json").write_bytes(encode(table()))
    worker, recorder = place.worker(segment_bytes=4 * 1024 * 1024), place.recorder(prices=PRICES)
    try:
        yield ConsoleHouse(place, worker, recorder)
    finally:
        worker.die()
        recorder.close()


def stand(data: DataDir, results: Results = RESULTS, rollout: Rollout = CANARY) -> None:
    """A leader has looked at the rollout; the controller has read its policy."""
    state = SqliteState(data.state)
    keep(state, rollout)
    look(state, results, replace(rollout, seen_at=1_800_000_000.0 - 5))
    state.close()
    policies = (
        PolicyStatus("triage.yaml", "triage", None),
        PolicyStatus("b.yaml", None, "b.yaml:3:1: unknown key gate"),
    )
    data.run.mkdir(exist_ok=True)
    data.controller_status.write_bytes(msgspec.json.encode(ControllerStatus(7, policies, None)))


@asynccontextmanager
async def visitor(data: DataDir, door: Door = OPEN, *, keeps: bool = False) -> AsyncIterator[httpx.AsyncClient]:
    """A browser without a script."""
    served = pages(data, keeps=keeps)
    app = app_over(served, door)
    add_console(app, served, door)
    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    headers = {"accept": "text/html"}
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers) as client:
        yield client


@dataclass(slots=True)
class PageText(HTMLParser):
    """A page as a browser without a script has it: its text, its elements, its links."""

    text: list[str] = field(default_factory=list[str])
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list[tuple[str, dict[str, str | None]]])

    def __post_init__(self) -> None:
        HTMLParser.__init__(self, convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    @property
    def plain(self) -> str:
        return "".join(self.text)

    @property
    def words(self) -> str:
        return " ".join(self.plain.replace("\u202f", " ").split())

    def links(self) -> list[str]:
        return [str(attrs["href"]) for tag, attrs in self.tags if tag == "a" and attrs.get("href")]

    def forms(self) -> dict[str, str]:
        """What its hidden fields carry; where several forms have one of a name, the first."""
        found: dict[str, str] = {}
        for tag, attrs in self.tags:
            if tag == "input" and attrs.get("type") == "hidden":
                found.setdefault(str(attrs["name"]), str(attrs.get("value") or ""))
        return found


def read(html: str) -> PageText:
    """The page whose HTML is `html`."""
    found = PageText()
    found.feed(html)
    found.close()
    return found


async def send(client: httpx.AsyncClient, path: str, **filled: str) -> httpx.Response:
    """Fill in the form at `path` and send it, as a browser does."""
    carried = read((await client.get(path)).text).forms()
    body = {name: value for name, value in carried.items() if name != "next"} | filled
    return await client.post(path, data=body, headers={"origin": ORIGIN})
