"""`crossfade serve` whole: requests in, comparisons in the records out, one of each, whoever is killed in between."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

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
candidate: {upstream: vllm, model: tuned, revision: "1"}
assign: {by: [request]}
shadow: {sample: 100%}
compare: [exact]
stages: [shadow, 1%, 100%]
"""
ASKED = 40


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    (tmp_path / "crossfade-policies").mkdir()
    (tmp_path / "crossfade-policies" / "support.yaml").write_text(POLICY)
    with (
        in_thread(FakeUpstream(require_key=False)) as frontier,
        in_thread(FakeUpstream(Speaker("tuned", vllm=True), require_key=False)) as tuned,
    ):
        openai, vllm = f"{{base_url: '{frontier.base_url}'}}", f"{{kind: vllm, base_url: '{tuned.base_url}'}}"
        with Serving(tmp_path, f"upstreams: {{openai: {openai}, vllm: {vllm}}}", worker=REAL) as running:
            running.await_ready()
            running.await_control()
            await_true((running.data / "run" / "shadow.json").exists, "the shadow is told what to do")
            await_true(lambda: "support" in (running.data / "routing.json").read_text(), "the route")
            yield running


def rows(serving: Serving, table: str, columns: str) -> list[tuple[object, ...]]:
    query = f"SELECT {columns} FROM {table}_all ORDER BY 1"  # noqa: S608 -- a test's words
    return Store(serving.data / "records").read(lambda views: views.sql(query).fetchall())


def test_each_exchange_is_compared_once(serving: Serving) -> None:
    """All that apps ask is asked of the candidate, through a SIGKILL of the shadow; metrics tell of it."""
    ids: list[str] = []
    with httpx.Client(base_url=f"http://127.0.0.1:{serving.port}/v1", timeout=PATIENCE_S, trust_env=False) as app:
        for number in range(ASKED):
            turns = [{"role": "user", "content": f"question {number}"}]
            body = {"model": "gpt-4o", "messages": turns, "stream": bool(number % 2)}
            ids.append(app.post("/chat/completions", json=body).headers["x-crossfade-request-id"])
            if number == ASKED // 2:
                pid = serving.pid_of("shadow")
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
    await_true(lambda: len(rows(serving, "comparisons", "exchange_id")) >= ASKED, "all is compared")

    found = rows(serving, "comparisons", "exchange_id, asked, came, route, metric, q")
    assert [row[0] for row in found] == sorted(ids)
    assert {row[1:] for row in found} == {("candidate", "answered", "support", "exact", -1.0)}
    labels = 'route="support",asked="candidate",outcome="answered",reason=""'
    await_true(lambda: f"crossfade_shadow_total{{{labels}}} {ASKED}.0" in serving.admin("/metrics").text, "the metric")
    await_true(
        lambda: 'crossfade_shadow_queue{route="support"} 0' in serving.admin("/metrics").text, "the shadow's own"
    )
