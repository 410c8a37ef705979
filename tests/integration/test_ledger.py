"""One ledger of a whole gateway: what a provider charged is what records, `records stats` and `/metrics` say."""

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from records.store import Store
from tests.fakes.openai_answers import Speaker
from tests.fakes.provider import provider
from tests.fakes.thread import in_thread
from tests.fakes.upstream import FakeUpstream
from tests.rooms.certificates import Authority
from tests.rooms.serving import REAL, Serving
from tests.rooms.waiting import await_true

pytestmark = pytest.mark.slow
CENT = 0.01
HOURLY_USD = 36_000.0
"""Ten dollars a second: a test is short."""
POLICY = """\
route: own
match: {model: own-7b}
baseline: {upstream: own, deterministic: true}
candidate: {upstream: openai, model: gpt-4o, revision: "1"}
mode: bypass
compare: [exact]
stages: [shadow, 100%]
"""


class Charged(NamedTuple):
    """One line of the ledger."""

    model: str
    asked: dict[str, Any]
    answer: dict[str, Any]
    usd: float | None
    """By hand, from OpenAI's price list; None: nobody knows."""


M = 1_000_000
LEDGER = {
    # 40,000 of 100,000 prompt tokens out of the cache, at half the price.
    "cached": Charged(
        "gpt-4o", {}, {"prompt_tokens": 100_000, "completion_tokens": 5_000,
                       "prompt_tokens_details": {"cached_tokens": 40_000}},
        (60_000 * 2.5 + 40_000 * 1.25 + 5_000 * 10) / M,
    ),
    # What a model thought is in its completion, and charged as such, once.
    "reasoning": Charged(
        "o4-mini", {}, {"prompt_tokens": 20_000, "completion_tokens": 90_000, "total_tokens": 110_000,
                        "completion_tokens_details": {"reasoning_tokens": 80_000}},
        (20_000 * 1.1 + 90_000 * 4.4) / M,
    ),
    # What it thought beside its completion is in the total alone.
    "beside": Charged(
        "o4-mini", {}, {"prompt_tokens": 20_000, "completion_tokens": 10_000, "total_tokens": 110_000,
                        "completion_tokens_details": {"reasoning_tokens": 80_000}},
        (20_000 * 1.1 + 90_000 * 4.4) / M,
    ),
    "audio": Charged(
        "gpt-audio", {}, {"prompt_tokens": 12_000, "completion_tokens": 8_000,
                          "prompt_tokens_details": {"audio_tokens": 10_000},
                          "completion_tokens_details": {"audio_tokens": 7_000}},
        (2_000 * 2.5 + 10_000 * 32 + 1_000 * 10 + 7_000 * 64) / M,
    ),
    # Flex was asked for and not to be had: the answer says which tier served.
    "tier": Charged(
        "gpt-5", {"service_tier": "flex"}, {"prompt_tokens": 80_000, "completion_tokens": 4_000,
                                            "service_tier": "default"},
        (80_000 * 1.25 + 4_000 * 10) / M,
    ),
    "flex": Charged(
        "gpt-5", {"service_tier": "flex"}, {"prompt_tokens": 80_000, "completion_tokens": 4_000,
                                            "service_tier": "flex"},
        (80_000 * 0.625 + 4_000 * 5) / M,
    ),
    # An alias was asked for; the model that answered costs twice as much.
    "alias": Charged(
        "gpt-4o", {}, {"prompt_tokens": 30_000, "completion_tokens": 2_000, "model": "gpt-4o-2024-05-13"},
        (30_000 * 5 + 2_000 * 15) / M,
    ),
    "floats": Charged("gpt-4o", {}, {"prompt_tokens": 10_000.0, "completion_tokens": "500"}, (25_000 + 5_000) / M),
    "streamed": Charged(
        "gpt-4o", {"stream": True}, {"prompt_tokens": 10_000, "completion_tokens": 700}, (25_000 + 7_000) / M
    ),
    "unknown": Charged("gpt-99-unheard-of", {}, {"prompt_tokens": 10_000, "completion_tokens": 700}, None),
}  # fmt: skip


def answer_of(line: Charged) -> bytes:
    """What the provider sends for it."""
    named = {name: line.answer[name] for name in ("model", "service_tier") if name in line.answer}
    usage = {name: value for name, value in line.answer.items() if name not in named}
    said: dict[str, Any] = {"id": "chatcmpl-1", "created": 7, "model": line.model, **named}
    if not line.asked.get("stream"):
        message = {"role": "assistant", "content": "It is on its way.", "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return json.dumps({**said, "object": "chat.completion", "choices": [choice], "usage": usage}).encode()
    delta = {"index": 0, "delta": {"role": "assistant", "content": "On its way."}, "finish_reason": "stop"}
    chunks = ({"choices": [delta], "usage": None}, {"choices": [], "usage": usage})
    events = (json.dumps({**said, "object": "chat.completion.chunk", **chunk}) for chunk in chunks)
    return "".join(f"data: {event}\n\n" for event in events).encode() + b"data: [DONE]\n\n"


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    (tmp_path / "crossfade-policies").mkdir()
    (tmp_path / "crossfade-policies" / "own.yaml").write_text(POLICY)
    authority = Authority(tmp_path)
    answers = {name: answer_of(line) for name, line in LEDGER.items()}
    with (
        provider(authority.server("api.openai.com"), answers) as proxy,
        in_thread(FakeUpstream(Speaker("own", vllm=True), require_key=False)) as own,
    ):
        openai = f"{{base_url: 'https://api.openai.com/v1', proxy: '{proxy}', ca_file: '{authority.ca_file}'}}"
        upstreams = f"upstreams: {{openai: {openai}, own: {{kind: vllm, base_url: '{own.base_url}'}}}}"
        prices = f"prices: {{candidate: {{own: {{gpu_usd_per_hour: {HOURLY_USD}, replicas: 2}}}}}}"
        with Serving(tmp_path, f"{upstreams}\n{prices}", worker=REAL) as running:
            running.await_ready()
            running.await_control()
            await_true(lambda: "own-7b" in (running.data / "routing.json").read_text(), "the route")
            yield running


def sums(serving: Serving, query: str) -> list[tuple[Any, ...]]:
    return Store(serving.data / "records").read(lambda views: views.execute(query).fetchall())


def metric(text: str, name: str, label: str = "") -> float:
    lines = [line for line in text.splitlines() if re.match(rf"crossfade_{name}[{{ ]", line) and label in line]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def test_one_ledger(serving: Serving) -> None:
    """By model and in all, to the cent: cached, thought, spoken, another tier, another model; unknown stays unknown.

    A server that is paid by the hour: what its answers bear and what none does yet is what was paid.
    """
    with httpx.Client(base_url=f"http://127.0.0.1:{serving.port}/v1", timeout=60.0, trust_env=False) as app:
        for name, line in LEDGER.items():
            turns = [{"role": "user", "content": name}]
            answer = app.post("/chat/completions", json={"model": line.model, "messages": turns, **line.asked})
            assert answer.content == answer_of(line), name
        for number in range(3):
            turns = [{"role": "user", "content": f"question {number}"}]
            assert app.post("/chat/completions", json={"model": "own-7b", "messages": turns}).status_code == 200
    asked = len(LEDGER) + 3
    await_true(lambda: sums(serving, "SELECT count(*) FROM exchanges") == [(asked,)], "all is recorded")
    await_true(lambda: metric(serving.admin("/metrics").text, "requests_total") == asked, "all is in the metrics")
    page = serving.admin("/metrics").text

    by_hand = {line.model: 0.0 for line in LEDGER.values() if line.usd is not None}
    for line in LEDGER.values():
        if line.usd is not None:
            by_hand[line.model] += line.usd
    recorded = dict(sums(serving, "SELECT model_requested, sum(cost_usd) FROM exchanges WHERE route = '' GROUP BY ALL"))
    assert recorded.pop("gpt-99-unheard-of") is None
    assert recorded == {model: pytest.approx(usd, abs=1e-9) for model, usd in by_hand.items()}
    for model, usd in by_hand.items():
        assert metric(page, "cost_usd_total", f'model="{model}"') == pytest.approx(usd, abs=1e-9), model
    assert "gpt-99-unheard-of" not in "".join(line for line in page.splitlines() if "cost_usd" in line)
    stats = {row["route"]: row for row in json.loads(serving.crossfade("records", "stats", "--json").stdout)}
    assert stats[""]["cost_usd"] == pytest.approx(sum(by_hand.values()), abs=1e-9)
    assert (stats[""]["unpriced"], stats["own"]["unpriced"]) == (1, 0)

    own_usd = stats["own"]["cost_usd"]
    assert metric(page, "cost_usd_total", 'route="own"') == pytest.approx(own_usd, abs=CENT)
    unborne = metric(page, "gpu_uncharged_usd", 'upstream="own"')
    serving.process.send_signal(signal.SIGINT)
    serving.process.wait(60.0)
    (hours,) = json.loads(serving.crossfade("records", "stats", "--hours", "--json").stdout)
    assert hours["paid_usd"] == pytest.approx((hours["busy_hours"] + hours["idle_hours"]) * HOURLY_USD, abs=CENT)
    assert hours["paid_usd"] == pytest.approx(hours["busy_usd"] + hours["idle_usd"], abs=CENT)
    assert hours["charged_usd"] == pytest.approx(own_usd, abs=CENT)
    assert hours["answers"] == 3
    assert 0 <= unborne <= hours["paid_usd"] - hours["charged_usd"] + CENT
    left = json.loads((serving.data / "records" / "progress.json").read_bytes())["gpu"]["own"]["uncharged_usd"]
    assert hours["charged_usd"] + left == pytest.approx(hours["paid_usd"], abs=CENT)
