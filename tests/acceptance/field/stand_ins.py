"""Models that sample, models that are slow for a while, and a judge that knows.

    python -m tests.acceptance.field.stand_ins NAME RIGHT SECONDS SLOW SLOW_FOR

Serves one model: prints its port, and ends with its stdin. Without arguments it is the judge.
"""

import asyncio
import json
import sys
from dataclasses import dataclass, field

from gateway.demo.models import ScriptedAnswer
from gateway.demo.tickets import lot
from tests.fakes import judges
from tests.rooms.model_process import serve_until_stdin_ends

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

    @property
    def arguments(self) -> tuple[str, ...]:
        """By which a process of its own is it."""
        return self.name, f"{self.right}", f"{self.seconds}", f"{self.slow}", f"{self.slow_for}"

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
    """A judge that knows the answers: the right one is better than a wrong one, which is better than one to nothing."""
    seen = judges.read(json.dumps({"messages": [{"content": text}]}).encode())
    first, second = (_worth(answer, seen.question) for answer in seen.answers)
    return ScriptedAnswer(seen.verdicts[2 if first == second else int(first < second)], 0.001)


def _worth(answer: str, question: str) -> int:
    """2 for the right answer, 1 for one to this question, 0 for anything else: hidden controls are told apart by it."""
    return (
        2
        if answer == right_answer(question)
        else int(answer.startswith("wrong ") and answer.endswith(f" to {question}"))
    )


def _sampler(name: str, right: str, seconds: str, slow: str, slow_for: str) -> Sampler:
    return Sampler(name, float(right), float(seconds), float(slow), int(slow_for))


if __name__ == "__main__":
    given = sys.argv[1:]
    asyncio.run(serve_until_stdin_ends(_sampler(*given) if given else knowing_judge))
