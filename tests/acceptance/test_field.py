"""The models that `make field` plays live are what they are said to be."""

import json

import pytest

from tests.acceptance.field.stand_ins import Sampler, knowing_judge, right_answer
from tests.fakes import judges

NAIVE = (
    "[User Question]\n{}\n\n[The Start of Assistant A's Answer]\n{}\n[The End of Assistant A's Answer]\n\n"
    "[The Start of Assistant B's Answer]\n{}\n[The End of Assistant B's Answer]"
)


def test_the_stand_ins_are_what_they_are_said_to_be() -> None:
    """So often alike, so much less alike, slow for so long; and a judge that prefers the right answer in any order."""
    base, same, less = Sampler("b", 0.89), Sampler("c", 0.89), Sampler("d", 0.76)
    texts = [f"question {number}" for number in range(4000)]
    alike = [sum(base(text).text == other(text).text for text in texts) / len(texts) for other in (base, same, less)]
    assert alike == [pytest.approx(0.8, abs=0.02), pytest.approx(0.8, abs=0.02), pytest.approx(0.68, abs=0.02)]
    slow = Sampler("s", 1.0, 0.01, slow=4.0, slow_for=2)
    assert [slow("q").seconds for _ in range(3)] == [0.04, 0.04, 0.01]
    question, wrong = "question 1", "wrong 3 to question 1"
    right = right_answer(question)
    other = right_answer("question 2")
    for answers, verdict in (((right, wrong), 0), ((wrong, right), 1), ((wrong, wrong), 2), ((wrong, other), 0)):
        text = NAIVE.format(question, *answers)
        seen = judges.read(b'{"messages":[{"content":' + json.dumps(text).encode() + b"}]}")
        assert knowing_judge(text).text == seen.verdicts[verdict]
