"""`crossfade serve` whole, with a candidate that is scaled to nothing: cold is not failing, and weights wait for it."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from policies.routing import decode
from records.store import Store
from tests.fakes.faults import NONE, Fault
from tests.fakes.raw_http import Message
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream
from tests.rooms.serving import REAL, Serving
from tests.rooms.waiting import PATIENCE_S, await_true

pytestmark = pytest.mark.slow

POLICY = """\
route: support
match: {model: gpt-4o}
baseline: {upstream: openai, deterministic: true}
candidate: {upstream: tuned, model: triage-7b, revision: r1}
assign: {by: [request], population: fixed}
compare: [exact]
gates: {quality: {margin: 0.3}, errors: {margin: 0.3}, latency: off, cost: off}
guards: {unit_share: 50%}
stages: [shadow: {min_units: 30, days: 0}, 50%: {hold: 1h}, 100%]
"""
AWAY = Fault(status=503)


@dataclass(slots=True)
class ScaledUpstream(FakeUpstream):
    """Servers of which there are too few for many requests at once, until there are more."""

    is_small: bool = True

    def _fault_of(self, request: Message) -> Fault:
        is_one_of_many = b'"ping"' in request.body
        return AWAY if is_one_of_many and self.is_small else FakeUpstream._fault_of(self, request)


@dataclass(slots=True)
class Place:
    serving: Serving
    tuned: ScaledUpstream
    scaler: FakeUpstream
    app: httpx.Client

    def ask(self) -> None:
        turns = [{"role": "user", "content": f"question {time.monotonic_ns()}"}]
        self.app.post("/chat/completions", json={"model": "gpt-4o", "messages": turns}).raise_for_status()

    def weight_ppm(self) -> int:
        return decode((self.serving.data / "routing.json").read_bytes()).routes[0].weight_ppm

    def compared(self, came: str) -> int:
        counted = "SELECT count(*) FROM comparisons_all WHERE came || reason = ?"
        row = Store(self.serving.data / "records").read(lambda views: views.execute(counted, [came]).fetchone())
        return row[0] if row else 0

    def told(self) -> str:
        return json.dumps(self.serving.admin("/api/v1/rollouts/support").json())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    (tmp_path / "crossfade-policies").mkdir()
    (tmp_path / "crossfade-policies" / "support.yaml").write_text(POLICY)
    with (
        in_thread(FakeUpstream(require_key=False)) as frontier,
        in_thread(ScaledUpstream(require_key=False, fault=AWAY)) as tuned,
        in_thread(FakeUpstream(echo=True, require_key=False)) as scaler,
    ):
        warm = f"{{replicas: 4, within: 10m, url: '{scaler.base_url}/scale'}}"
        upstreams = (
            f"openai: {{base_url: '{frontier.base_url}'}}, "
            f"tuned: {{kind: vllm, base_url: '{tuned.base_url}', warm: {warm}}}"
        )
        with Serving(tmp_path, f"upstreams: {{{upstreams}}}", worker=REAL) as running:
            running.await_ready()
            running.await_control()
            await_true(lambda: "support" in (running.data / "routing.json").read_text(), "the route")
            base_url = f"http://127.0.0.1:{running.port}/v1"
            with httpx.Client(base_url=base_url, timeout=PATIENCE_S, trust_env=False) as app:
                yield Place(running, tuned, scaler, app)


def test_a_weight_waits_for_servers_to_be_warm(place: Place) -> None:
    """While they start up nothing is held against them; certified, the candidate waits for as many as it needs."""
    for _ in range(5):
        place.ask()
    await_true(lambda: place.compared("skippedcold") == 5, "what met nobody is left out")

    place.tuned.fault = NONE

    def waits() -> bool:
        place.ask()
        return "0 of 2 replicas answer (HTTP 429 or 503, overloaded); it gives up in" in place.told()

    await_true(waits, "certified, and waiting")
    assert place.weight_ppm() == 0
    assert [entry.json for entry in place.scaler.ledger] == [{"upstream": "tuned", "route": "support", "replicas": 2}]
    assert place.compared("failedoverloaded") == 0

    place.tuned.is_small = False
    await_true(lambda: place.weight_ppm() == 500_000, "it goes up")
