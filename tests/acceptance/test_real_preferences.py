"""Real answers and GPT-4's real preferences, over HTTP, through judge, comparators and policies."""

import asyncio
import json
from pathlib import Path

import pytest

from gateway import clock
from gateway.config.policy_file import read_file
from gateway.control.shadow.model import Background
from gateway.transport.client import Client
from policies.compile import decision_rules
from policies.events import PairEvent
from policies.routing import Upstream
from policies.rules import Rules
from policies.simulate import Simulation, simulate
from policies.surroundings import KnownUpstream, Surroundings
from policies.terms import Outcome
from shadow.compare import answer
from shadow.compare.pair import AppRequest, ModelAnswer, Pair
from shadow.judge import Bench, JudgeScorer, VerdictCost
from shadow.judging.prompt import Style
from shadow.ports import Model, ModelCall
from shadow.score_pair import Comparing
from tests.fakes.alpaca import BASELINE, DATA, JUDGE, Alpaca, rows
from tests.fakes.judges import Purse

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.exists(), reason=f"{DATA} is not here"),
]
PAIRS = 200
CHAT = "/v1/chat/completions"
POLICY = Path(__file__).parent / "verdicts" / "answers.yaml"


def rules() -> Rules:
    policy = read_file(POLICY).policy
    return decision_rules(
        policy, Surroundings({"frontier": KnownUpstream(has_background_key=True), "engine": KnownUpstream()})
    )


async def said(model: Model, name: str, instruction: str) -> ModelAnswer:
    body = json.dumps({"model": name, "messages": [{"role": "user", "content": instruction}]}).encode()
    heard = await model.ask(ModelCall("engine", CHAT, body, 10.0))
    found = answer.read(CHAT, heard.body).answer
    assert found
    return found


async def events(candidate: str, most: int) -> tuple[list[PairEvent], JudgeScorer]:
    """Both asked, compared and judged."""
    found: list[PairEvent] = []
    async with Alpaca(rows()) as upstream, asyncio.TaskGroup() as tasks:
        client = Client(now=clock.monotonic, tasks=tasks)
        model = Background(client, clock.monotonic)
        assert model.adopt([Upstream("engine", upstream.base_url), Upstream("third", upstream.base_url)], {}) == []
        judge = JudgeScorer(
            model, Bench("third", Style(JUDGE), 1_000_000, b"secret"), Purse(), lambda *_: VerdictCost()
        )
        comparing = Comparing([{"judge": {}}], "judge", files=lambda _: b"", scorers={"judge": judge})
        for number, row in enumerate(upstream.recorded[:most]):
            ask = AppRequest(CHAT, {"messages": [{"role": "user", "content": row["instruction"]}]})
            baseline, ours = [await said(model, name, row["instruction"]) for name in (BASELINE, candidate)]
            compared = await comparing.compare(Pair(ask, baseline, ours, f"exchange-{number}"))
            unit = f"unit-{number}"
            if compared.control is not None:
                found.append(PairEvent(unit, 0.0, "control", control=compared.control))
            found.append(
                PairEvent(
                    unit, 0.0, "pair", q=compared.q, p_sample=compared.p_sample, abstained=compared.abstained,
                    error_candidate=False, error_baseline=False,
                    output_candidate=compared.output_candidate, output_baseline=compared.output_baseline,
                )
            )  # fmt: skip
        client.close()
    return found, judge


def blocking(simulation: Simulation) -> list[str]:
    assert simulation.deciding
    results = simulation.deciding.results
    return [each.guard for each in results.guards if each.verdict] + [
        each.gate for each in results.gates if each.verdict
    ]


async def test_a_model_that_gpt4_prefers_is_promoted():
    """FuseChat-9B: the judge passes its examination on real answers, and its verdicts certify quality."""
    found, judge = await events("FuseChat-Gemma-2-9B-Instruct", PAIRS)
    assert judge.trust.examined, judge.trust.text()
    assert simulate(rules(), found).outcome is Outcome.PROMOTE


async def test_a_model_that_gpt4_likes_less_is_rejected():
    """FuseChat-1B: harm is certified before any traffic moves."""
    found, judge = await events("FuseChat-Llama-3.2-1B-Instruct", PAIRS)
    assert not judge.trust.suspended
    simulation = simulate(rules(), found)
    assert simulation.outcome is Outcome.REJECTED
    assert "quality" in blocking(simulation)


async def test_a_constant_answer_that_gpt4_prefers_is_stopped():
    """NullModel: the guards see that it says always the same, and the controls that its judge falls for it."""
    found, judge = await events("NullModel", PAIRS)
    simulation = simulate(rules(), found)
    assert simulation.outcome is Outcome.REJECTED
    assert "outputs" in blocking(simulation)
    assert judge.trust.suspended
