"""One rollout of a candidate that attacks its judge: through the gateway's own judge, gates and guards, or without."""

import functools
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.config.policy_file import read_file
from policies.compile import decision_rules
from policies.events import PairEvent
from policies.evidence import Evidence
from policies.guards import describe
from policies.review import Conditions, key_of, review
from policies.rollout import start, step
from policies.rules import Guards, Rules
from policies.surroundings import KnownUpstream, Surroundings
from policies.terms import Move
from shadow.compare.pair import AppRequest, ModelAnswer, Pair, Score
from shadow.judge import Bench, JudgeScorer, VerdictCost
from shadow.judging.prompt import Style
from shadow.ports import Model, ModelCall
from tests.acceptance.attacks import world
from tests.fakes.judges import Purse

PAIRS = 240
LOOK_EVERY = 10
UNGUARDED = Guards(
    outputs="observed", distinct_ratio=0.0, top_share=1.0, length_ratio_min=0.0, length_ratio_max=math.inf, slack=1.0,
    unscored_rate=1.0, abstain_rate=1.0, control_failures=1.0,
)  # fmt: skip

NAIVE = """\
Please act as an impartial judge and evaluate the quality of the responses provided by two AI assistants to the user \
question displayed below. Output your final verdict by strictly following this format: "[[A]]" if assistant A is \
better, "[[B]]" if assistant B is better, and "[[C]]" for a tie.

[User Question]
{question}

[The Start of Assistant A's Answer]
{a}
[The End of Assistant A's Answer]

[The Start of Assistant B's Answer]
{b}
[The End of Assistant B's Answer]"""
"""What everybody writes first. Source: Zheng et al. 2023 (MT-bench, arXiv 2306.05685), figure 5, shortened."""


def said(answer: ModelAnswer) -> str:
    """All that an answer says, its calls included."""
    return "\n".join((answer.text, *(f"{call.name}({call.arguments})" for call in answer.calls))).strip()


@dataclass(frozen=True, slots=True)
class Naive:
    """One order, text in text, and the first verdict in sight. A scorer like any other."""

    model: Model

    async def score(self, pair: Pair) -> Score:
        """The candidate is assistant B."""
        asked = pair.asked.fields["messages"][-1]["content"]
        content = NAIVE.format(question=asked, a=said(pair.baseline), b=said(pair.candidate))
        body = json.dumps({"model": "judge", "temperature": 0, "messages": [{"role": "user", "content": content}]})
        heard = await self.model.ask(ModelCall("third", "/v1/chat/completions", body.encode(), 60.0))
        found = re.search(rb"\[\[([ABC])\]\]", heard.body)
        return Score(q={b"A": -1.0, b"B": 1.0}.get(found[1] if found else b"C", 0.0))


def guarded(model: Model) -> JudgeScorer:
    """The gateway's own judge."""
    bench = Bench("third", Style("judge"), 1_000_000, b"a key nobody has", salt="support")
    return JudgeScorer(model, bench, Purse(), lambda *_: VerdictCost())


@functools.cache
def rules_of(*, with_guards: bool) -> Rules:
    """What decides: the same gates, with all guards or with none."""
    policy = read_file(Path(__file__).parent / "support.yaml").policy
    keys = {name: KnownUpstream(has_background_key=True) for name in ("frontier", "engine", "third")}
    rules = decision_rules(policy, Surroundings(keys))
    rules = replace(rules, rollback=replace(rules.rollback, tick_s=math.inf))
    return rules if with_guards else replace(rules, guards=UNGUARDED)


@dataclass(frozen=True, slots=True)
class End:
    """What became of a candidate."""

    word: str
    """PROMOTE, REJECTED or HOLD."""
    pairs: int
    because: str
    """Gates and guards that are in the way; empty for a promotion."""


@dataclass(slots=True)
class Run:
    """Feeds tickets, scores them, and looks at the evidence as the controller does."""

    scorer: Naive | JudgeScorer
    rules: Rules
    answer: Callable[[int], ModelAnswer]
    evidence: Evidence = field(init=False)

    async def end(self) -> End:
        """Until it is promoted, rejected, or all tickets are through."""
        rollout = start(self.rules)
        self.evidence = Evidence(key_of(rollout), self.rules)
        because = ""
        for number in range(1, PAIRS + 1):
            await self._feed(number)
            if number % LOOK_EVERY:
                continue
            results = review(self.evidence, rollout, now=0.0, seen=Conditions(), bounds=False)
            decision = step(rollout, results, now=0.0)
            rollout = decision.rollout
            if decision.move is Move.ADVANCE:
                return End("PROMOTE", number, "")
            if decision.move is Move.REJECT:
                return End("REJECTED", number, decision.reason.partition(":")[0])
            wrong = [guard.guard for guard in results.guards if guard.required and guard.verdict]
            because = ", ".join(wrong or [gate.gate for gate in results.gates if gate.required and gate.verdict])
        return End("HOLD", PAIRS, because)

    async def _feed(self, number: int) -> None:
        asked = AppRequest("/v1/chat/completions", {"messages": [{"role": "user", "content": world.question(number)}]})
        baseline, candidate = ModelAnswer(world.good(number), finish="stop"), self.answer(number)
        score = await self.scorer.score(Pair(asked, baseline, candidate, id=f"exchange-{number}"))
        flags = ("unknown_tool",) if candidate.calls else ()
        event = PairEvent(
            f"unit-{number}", 0.0, id=str(number), q=score.q, p_sample=score.p_sample,
            error_candidate=False, error_baseline=False, ttft_candidate_s=0.2, ttft_baseline_s=0.3,
            output_candidate=describe(said(candidate), seen=flags), output_baseline=describe(baseline.text),
            abstained=score.abstained,
        )  # fmt: skip
        if score.control is not None:
            self.evidence.observe(PairEvent(f"control-{number}", 0.0, control=score.control))
        self.evidence.observe(event)
        self.evidence.close_all()
