"""`crossfade serve` whole, with several candidates: all are asked, the certified one serves, the others rest."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from policies.routing import decode
from records.store import Store
from tests.fakes.openai_answers import Speaker
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream
from tests.rooms.serving import REAL, Serving
from tests.rooms.waiting import PATIENCE_S, await_true

pytestmark = pytest.mark.slow

POLICY = """\
route: support
match: {model: gpt-4o}
baseline: {upstream: openai, deterministic: true}
candidates:
  - {name: other, upstream: tuned, model: triage-3b, revision: r1}
  - {name: same, upstream: alike, model: triage-7b, revision: r1}
  - {name: short, upstream: tuned, model: triage-3b, revision: r1, set: {max_tokens: 10}}
assign: {by: [request], population: fixed}
compare: [exact]
gates: {quality: {margin: 0.3}, errors: {margin: 0.3}, latency: off, cost: off}
guards: {unit_share: 50%}
stages: [shadow: {min_units: 30, days: 0}, 50%: {hold: 1h}, 100%]
"""


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    (tmp_path / "crossfade-policies").mkdir()
    (tmp_path / "crossfade-policies" / "support.yaml").write_text(POLICY)
    with (
        in_thread(FakeUpstream(require_key=False)) as frontier,
        in_thread(FakeUpstream(require_key=False)) as alike,
        in_thread(FakeUpstream(Speaker("tuned", vllm=True), require_key=False)) as tuned,
    ):
        places = {"openai": frontier.base_url, "alike": alike.base_url, "tuned": tuned.base_url}
        kinds = {name: "" if name == "openai" else "kind: vllm, " for name in places}
        upstreams = ", ".join(f"{name}: {{{kinds[name]}base_url: '{url}'}}" for name, url in places.items())
        with Serving(tmp_path, f"upstreams: {{{upstreams}}}", worker=REAL) as running:
            running.await_ready()
            running.await_control()
            await_true(lambda: "support" in (running.data / "routing.json").read_text(), "the route")
            yield running


def weight_ppm(serving: Serving) -> int:
    return decode((serving.data / "routing.json").read_bytes()).routes[0].weight_ppm


def asked_of_three(serving: Serving) -> list[tuple[str]]:
    """Exchanges beside which each of the three was asked."""
    of_three = (
        "SELECT exchange_id FROM comparisons_all WHERE asked = 'candidate' "
        "GROUP BY exchange_id HAVING count(DISTINCT route) = 3"
    )
    return Store(serving.data / "records").read(lambda views: views.sql(of_three).fetchall())


def test_of_three_the_certified_one_serves(serving: Serving) -> None:
    """Over HTTP: three answers beside each of the app's own, three rollouts in the admin API, one that goes up."""
    seen: set[str] = set()
    with httpx.Client(base_url=f"http://127.0.0.1:{serving.port}/v1", timeout=PATIENCE_S, trust_env=False) as app:

        def ask() -> None:
            turns = [{"role": "user", "content": f"question {time.monotonic_ns()}"}]
            answer = app.post("/chat/completions", json={"model": "gpt-4o", "messages": turns})
            seen.add(answer.headers["x-crossfade-variant"])

        def climbed() -> bool:
            ask()
            return weight_ppm(serving) == 500_000

        await_true(climbed, "one of them goes up")

        def served() -> bool:
            ask()
            return seen == {"baseline", "candidate"}

        await_true(served, "both answer")
    route = decode((serving.data / "routing.json").read_bytes()).routes[0]
    assert route.candidate is not None
    assert (route.name, route.candidate.model) == ("support", "triage-7b")
    rollouts = {each["route"]: each for each in serving.admin("/api/v1/rollouts").json()["rollouts"]}
    assert {name: each["weight"] for name, each in rollouts.items()} == {
        "support@other": 0.0, "support@same": 0.5, "support@short": 0.0,
    }  # fmt: skip

    def is_out(name: str) -> bool:
        """Whether it rests, or was given up before: that hangs on how much it had heard when the other went up."""
        told = json.dumps(serving.admin(f"/api/v1/rollouts/support@{name}").json())
        return "rests while support@same serves" in told or "Paused in the shadow" in told

    await_true(lambda: is_out("other") and is_out("short"), "the others rest")
    serving.await_metric('crossfade_weight_ratio{route="support@same"} 0.5')
    await_true(lambda: len(asked_of_three(serving)) >= 20, "all three are asked the same")
