"""Models that sample, models that are slow for a while, and a judge that knows. Each behind a port of its own."""

import json
from dataclasses import dataclass, field

from gateway.demo.models import ScriptedAnswer
from gateway.demo.tickets import lot
from tests.fakes import judges

WRONG = 7
"""How many wrong answers there are to a question."""


@dataclass(slots=True)
class Sampler:
    """Right in a share of its answers, drawn anew each time: it is not like itself."""

    name: str
    right: float
    seconds: float = 0.005
    slow: float = 1.0
    """How much longer than `seconds` it takes in its first answers."""
    slow_for: int = 0
    """So many answers."""
    asked: int = field(default=0, init=False)

    def __call__(self, text: str) -> ScriptedAnswer:
        """What it says this time."""
        self.asked += 1
        draw = lot(self.name, text, str(self.asked))
        said = right_answer(text) if draw < self.right else f"wrong {int(draw * 1e6) % WRONG} to {text}"
        return ScriptedAnswer(said, self.seconds * (self.slow if self.asked <= self.slow_for else 1.0))


def right_answer(question: str) -> str:
    """What a good model says to it."""
    return f"right to {question}"


def knowing_judge(text: str) -> ScriptedAnswer:
    """A judge that knows the answer to every question: of one right answer and one wrong, the right one is better."""
    seen = judges.read(json.dumps({"messages": [{"content": text}]}).encode())
    first, second = (answer == right_answer(seen.question) for answer in seen.answers)
    return ScriptedAnswer(seen.verdicts[2 if first == second else 1 - first], 0.001)
