"""`crossfade serve` whole, with slices that move alone: the certified one serves, the other is compared on."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from policies.routing import Route, decode
from records.store import Store
from tests.fakes.openai_answers import Fields, Speaker
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
slices: {by: "header:x-team", mode: partial}
stages: [shadow: {min_units: 30, days: 0}, 50%: {hold: 1h}, 100%]
"""
GOOD, BAD = "header:x-team=sales", "header:x-team=legal"


def writes(request: Fields) -> Fields:
    """What is right for all but one team, of which the candidate knows nothing."""
    return {"answer": "wrong" if "legal" in request["messages"][-1]["content"] else "right"}


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    (tmp_path / "crossfade-policies").mkdir()
    (tmp_path / "crossfade-policies" / "support.yaml").write_text(POLICY)
    right = Speaker(writes=lambda _: {"answer": "right"})
    with (
        in_thread(FakeUpstream(right, require_key=False)) as frontier,
        in_thread(FakeUpstream(Speaker(vllm=True, writes=writes), require_key=False)) as tuned,
    ):
        upstreams = f"openai: {{base_url: '{frontier.base_url}'}}, tuned: {{kind: vllm, base_url: '{tuned.base_url}'}}"
        with Serving(tmp_path, f"upstreams: {{{upstreams}}}", worker=REAL) as running:
            running.await_ready()
            running.await_control()
            await_true(lambda: "support" in (running.data / "routing.json").read_text(), "the route")
            yield running


def route(serving: Serving) -> Route:
    return decode((serving.data / "routing.json").read_bytes()).routes[0]


def stays(serving: Serving) -> list[tuple[str, int]]:
    """Which variant answered what stayed for its slice, and beside how many of these the candidate was asked."""
    query = """
    SELECT variant, count(c.exchange_id) FROM exchanges_all e LEFT JOIN comparisons_all c
    ON c.exchange_id = e.id AND c.asked = 'candidate' AND c.came = 'answered' WHERE e.why = 'slice' GROUP BY 1"""
    return Store(serving.data / "records").read(lambda views: views.execute(query).fetchall())


def test_only_the_certified_slice_is_the_candidates(serving: Serving) -> None:
    """Over HTTP: the good team meets both variants, the other the baseline alone, and goes on being compared."""
    seen: dict[str, set[str]] = {"sales": set(), "legal": set()}
    with httpx.Client(base_url=f"http://127.0.0.1:{serving.port}/v1", timeout=PATIENCE_S, trust_env=False) as app:

        def ask() -> None:
            for team, variants in seen.items():
                turns = [{"role": "user", "content": f"{team} {time.monotonic_ns()} as json"}]
                body = {"model": "gpt-4o", "messages": turns, "response_format": {"type": "json_object"}}
                answer = app.post("/chat/completions", json=body, headers={"x-team": team})
                variants.add(answer.headers["x-crossfade-variant"])

        def climbed() -> bool:
            ask()
            return route(serving).weight_ppm == 500_000

        await_true(climbed, "the certified slice goes up")
        assert (route(serving).moves_by, route(serving).moving) == ("header:x-team", (GOOD,))

        def served() -> bool:
            ask()
            return seen["sales"] == {"baseline", "candidate"}

        await_true(served, "both answer the good team")

        def compared_on() -> bool:
            ask()
            return [variant for variant, n in stays(serving) if n >= 5] == ["baseline"]

        await_true(compared_on, "what stays is compared on")
    assert seen["legal"] == {"baseline"}
    assert [variant for variant, _ in stays(serving)] == ["baseline"]
    (rollout,) = serving.admin("/api/v1/rollouts").json()["rollouts"]
    told = json.dumps(rollout)
    assert f'"moving": ["{GOOD}"]' in told
    assert "At 50 % of 1 of 2 parts of the traffic by header:x-team" in told
    serving.await_metric(f'crossfade_slice_moving{{route="support",slice="{GOOD}"}} 1')
    serving.await_metric(f'crossfade_slice_moving{{route="support",slice="{BAD}"}} 0')
    serving.await_metric('crossfade_ineligible_total{route="support",reason="slice"}')
