"""The loop as it is served: real processes, fake upstreams, and comparisons written as the shadow writes them."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec
import pytest

from gateway import clock
from gateway.control.journals.follower import Journals
from policies.routing import Table, decode
from records.comparison import Comparison
from records.exchange import Exchange, Note
from records.journal.writer import JournalWriter
from shadow.plan import read as read_plan
from shadow.sampling import asked_beside
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream
from tests.rooms.serving import REAL, Serving
from tests.rooms.waiting import PATIENCE_S, await_true

pytestmark = pytest.mark.slow

POLICY = """\
route: triage
match: {model: gpt-4o}
baseline: {upstream: openai}
candidate: {upstream: vllm, model: triage-7b, revision: r1}
assign: {by: [user], close_after: 1s, population: fixed}
compare: [exact, {python: {ref: 'evals.py:score'}}]
gates: {quality: {metric: python, margin: 0.3}, errors: {margin: 0.3}, latency: {ttft_p50: 20s, warmup: 1}}
guards: {outputs: observed}
stages:
  - shadow: {min_units: 20, days: 0}
  - 50%: {min_units: 20, hold: 1s, reverse_shadow: 100%}
  - 100%: {hold: 1s, reverse_shadow: 100%}
"""
CLIMB_S = 120.0


@dataclass(slots=True)
class Site:
    """A gateway that serves, its candidate's switch, and a stand-in for its shadow."""

    serving: Serving
    candidate: ExitStack
    """Closed: the candidate is gone."""
    journals: Journals
    mirror: JournalWriter
    asked: int = 0
    statuses: list[int] = field(default_factory=list)

    def table(self) -> Table:
        return decode((self.serving.data / "routing.json").read_bytes())

    def weight_ppm(self) -> int:
        routes = self.table().routes
        return routes[0].weight_ppm if routes else -1

    def traffic(self, app: httpx.Client, requests: int = 10) -> None:
        """So many conversations of one request, then the shadow's part for all that is journaled."""
        for _ in range(requests):
            self.asked += 1
            body = {"model": "gpt-4o", "user": f"u{self.asked}", "messages": [{"role": "user", "content": "hi"}]}
            self.statuses.append(app.post("/chat/completions", json=body).status_code)
        plan = read_plan(self.serving.data / "run" / "shadow.json")
        for found in self.journals.poll(clock.wall(), 1 << 24):
            for route in plan.routes if plan is not None and isinstance(found, Exchange) else ():
                for asked in asked_beside(found.meta, route) if found.meta.route == route.route else ():
                    row = Comparison(
                        exchange_id=found.meta.id, asked=asked, route=route.route, unit=found.meta.unit,
                        candidate_key=route.candidate_key, compared_us=0, p_mirror=1.0, came="answered", status=200,
                        metric="exact", q=0.0, first_byte_ms=10.0, total_ms=10.0,
                        output_candidate_json='{"digest":"a","length":9}',
                        output_baseline_json='{"digest":"a","length":9}',
                    )  # fmt: skip
                    assert self.mirror.note(Note("comparisons", msgspec.msgpack.encode(row)))

    def traffic_until(self, app: httpx.Client, weight_ppm: int) -> None:
        """Traffic until the table has this weight."""
        until = clock.monotonic() + CLIMB_S
        while self.weight_ppm() != weight_ppm:
            assert clock.monotonic() < until, f"still at {self.weight_ppm()}: {self.serving.crossfade('status').stdout}"
            self.traffic(app)


def _is_workers(name: str) -> bool:
    return not name.startswith(("shadow-", "controller-"))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        frontier = stack.enter_context(in_thread(FakeUpstream(require_key=False)))
        candidate = stack.enter_context(ExitStack())
        vllm = candidate.enter_context(in_thread(FakeUpstream(require_key=False)))
        settings = (
            f"upstreams: {{openai: {{base_url: '{frontier.base_url}', background_key_env: BACKGROUND}},"
            f" vllm: {{kind: vllm, base_url: '{vllm.base_url}'}}}}\nkeys: {{mode: passthrough}}\n"
        )
        (tmp_path / "crossfade-policies").mkdir()
        (tmp_path / "crossfade-policies" / "triage.yaml").write_text(POLICY)
        serving = stack.enter_context(Serving(tmp_path, settings, worker=REAL))
        serving.await_ready()
        serving.await_control()
        key = bytes.fromhex((serving.data / "journal.key").read_text().strip())
        mirror = JournalWriter(serving.data / "journal" / "shadow-test", key, now=clock.wall)
        stack.callback(mirror.close)
        journals = Journals(serving.data / "journal", key, {}, follows=_is_workers)
        yield Site(serving, candidate, journals, mirror)


def test_from_the_shadow_to_everything_and_back(site: Site) -> None:
    """0 to 100 % by evidence, through a kill -9 of the controller; then the candidate dies unnoticed, and weight 0."""
    url = f"http://127.0.0.1:{site.serving.port}/v1"
    with httpx.Client(base_url=url, headers={"authorization": "Bearer sk-test"}, timeout=PATIENCE_S) as app:
        await_true(lambda: site.weight_ppm() == 0, "the route is there")
        site.traffic_until(app, 500_000)
        pid = site.serving.pid_of("controller")
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        site.traffic(app, 20)
        assert site.weight_ppm() == 500_000
        site.traffic_until(app, 1_000_000)
        site.candidate.close()
        site.traffic_until(app, 0)
        site.traffic(app, 10)
    assert set(site.statuses) == {200}
    evidence = sorted((site.serving.data / "evidence" / "triage").glob("*.json"))
    assert [path.name.split("-")[1] for path in evidence] == ["revision", "advance", "advance", "suspend"]
    site.serving.await_metric('crossfade_decisions_total{route="triage",outcome="SUSPEND"} 1')
