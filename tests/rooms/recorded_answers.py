"""Recorded answers to questions, a policy for them, and a gateway's folders: what is asked again offline is in them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway import clock
from records.exchange import Exchange
from records.parquet import EXCHANGES
from records.pricing import PriceBook
from records.record_maker import RecordMaker
from records.redact import Redactor
from records.store import Store
from tests.fakes.alpaca import BASELINE, Alpaca, Row
from tests.fakes.exchanges import chat_answer, chat_request, exchange

SHADES = ("amber", "beige", "coral", "denim", "ebony", "flaxen", "grey", "hazel", "indigo", "jade")
POLICY = """\
route: answers
match: {model: gpt-4}
baseline: {upstream: frontier}
candidate: {upstream: engine, model: MODEL, revision: "1"}
eligible: {forbid: ["n>1"]}
compare: [exact, {judge: {upstream: third, model: judge, sample: 100%}}]
gates: {quality: {metric: judge}, errors: {margin: 5%}, latency: off}
stages: [{shadow: {days: 0}}, 1%]
"""


def question(number: int) -> Row:
    """A question, three models' answers to it, and how much a judge likes them."""
    shade = f"{SHADES[number % 10]} {number}"
    told = f"the walls of room {number} are {shade}, and its door, its floor and its ceiling are {shade} too"
    return {
        "instruction": f"question {number}: which colour have the walls of room {number}, and the rest of it?",
        "answers": {
            BASELINE: f"I think {told}.",
            "good": f"Surely {told}!",
            "bad": f"No idea, but maybe {told[::-1]}.",
        },
        "preference": {"good": 0.9, "bad": 0.1},
    }


ROWS = [question(number) for number in range(160)]


def recorded(number: int, row: Row, **meta: Any) -> Exchange:
    """An exchange in which the frontier answered a question; `meta`: what is otherwise of it."""
    request = chat_request(row["instruction"], model="gpt-4")
    answer = chat_answer(row["answers"][BASELINE])
    told: dict[str, Any] = {
        "route": "answers", "upstream": "frontier", "unit": f"u{number}", "model": "gpt-4",
        "arrived_at": clock.wall() - 3600 + number,
    }  # fmt: skip
    return exchange(number, request, answer, **told | meta)


def record(root: Path, exchanges: Sequence[Exchange]) -> None:
    """Put exchanges into the records of a data directory."""
    maker = RecordMaker(b"p" * 32, Redactor(), PriceBook({}), {})
    store = Store(root / "records")
    store.publish(store.stage(EXCHANGES, [maker.record(each) for each in exchanges], "1"))


class AnswersPlace:
    """A directory with settings, a policy and records."""

    def __init__(self, root: Path, upstream: Alpaca) -> None:
        self.root = root
        url = upstream.base_url
        self.config = root / "crossfade.yaml"
        self.config.write_text(
            f"data: {root}/data\npolicies: {root}/policies\ndefault_upstream: frontier\nupstreams:\n"
            f"  frontier: {{base_url: http://127.0.0.1:9/v1}}\n"
            f"  engine: {{kind: vllm, base_url: {url}}}\n  third: {{kind: vllm, base_url: {url}}}\n"
            "prices: {models: {third: {judge: {prompt: 10, completion: 10}}}}\n",
            encoding="utf-8",
        )
        (root / "policies").mkdir()
        (root / "data").mkdir()

    def policy(self, model: str) -> None:
        """Let this model be the candidate."""
        (self.root / "policies" / "answers.yaml").write_text(POLICY.replace("MODEL", model), encoding="utf-8")
