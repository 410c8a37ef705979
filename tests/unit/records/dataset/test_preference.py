"""Which of two answers is better, and which were liked: only where somebody who may say so said it."""

import json

import pytest

from records.dataset.example import Example
from records.dataset.preference import preference, vote
from tests.fakes.exchanges import chat_answer
from tests.rooms.examples import source

SERVED = {"role": "assistant", "content": "It is on its way."}
OTHER = {"role": "assistant", "content": "Lost."}
TWO = json.dumps({"choices": json.loads(chat_answer("Lost."))["choices"] * 2})
CUT_RESPONSE = json.dumps({"status": "incomplete", "output": [{"type": "message", "content": "Lo"}]})
SHADOW = {"other_json": chat_answer("Lost.").decode()}


@pytest.mark.parametrize(
    ("fields", "better", "worse"),
    [
        ({**SHADOW, "q": 0.5}, OTHER, SERVED),
        ({**SHADOW, "q": -0.5}, SERVED, OTHER),
        ({"corrected_output_json": '"Lost."'}, OTHER, SERVED),
        ({"corrected_output_json": '"Lost."', "variant": "candidate"}, OTHER, SERVED),
        ({"corrected_output_json": '"Lost."', **SHADOW, "q": -1.0}, OTHER, SERVED),
        ({**SHADOW, "q": 0.5, "score": -1.0}, OTHER, SERVED),
        ({"other_json": chat_answer("Lost.", "length").decode(), "q": -1.0}, SERVED, OTHER),
    ],
)
def test_the_better_answer_is_chosen(fields, better, worse):
    """By the sign of the judge's or the labels' score, and by a correction before both."""
    made = preference(source(**fields))
    assert isinstance(made, Example)
    assert (made.answer, made.rejected) == (better, worse)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "no_preference"),
        (SHADOW, "no_preference"),
        ({**SHADOW, "q": 0.0}, "no_preference"),
        ({"q": 1.0}, "no_preference"),
        ({"corrected_output_json": '"It is on its way."'}, "same_answer"),
        ({"other_json": chat_answer().decode(), "q": 1.0}, "same_answer"),
        ({"other_json": "{}", "q": 1.0}, "unreadable"),
        ({"other_json": chat_answer("Lost.", "length").decode(), "q": 1.0}, "truncated"),
        ({"other_json": TWO, "q": 1.0}, "several_choices"),
        ({"other_json": CUT_RESPONSE, "q": 1.0}, "truncated"),
        ({"corrected_output_json": '"Lost."', "response_json": None}, "bodies_not_kept"),
        ({**SHADOW, "q": 1.0, "variant": "candidate"}, "candidate"),
        ({**SHADOW, "q": 1.0, "consent": "none", "consent_source": "header"}, "no_train"),
    ],
)
def test_nothing_else_makes_a_preference(fields, reason):
    """An answer is no better because the baseline gave it, nor worse because the other differs."""
    assert preference(source(**fields)) == reason


@pytest.mark.parametrize(
    ("fields", "answer", "is_good"),
    [
        ({"score": 1.0}, SERVED, True),
        ({"score": -0.5}, SERVED, False),
        ({"score": -1.0, "variant": "candidate"}, SERVED, False),
        ({"corrected_output_json": '"Lost."'}, OTHER, True),
        ({"score": -1.0, "corrected_output_json": '"Lost."'}, SERVED, False),
    ],
)
def test_a_vote_says_whether_an_answer_was_liked(fields, answer, is_good):
    """The answer that was voted on, or the correction if there was no vote."""
    made = vote(source(**fields))
    assert isinstance(made, Example)
    assert (made.answer, made.is_good) == (answer, is_good)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "no_vote"),
        ({"score": 0.0}, "no_vote"),
        ({"score": 1.0, "variant": "candidate"}, "candidate"),
        ({"score": -1.0, "why": "fallback"}, "fallback"),
        ({"corrected_output_json": json.dumps("")}, "empty"),
    ],
)
def test_nothing_else_is_a_vote(fields, reason):
    """No vote is no label, and what a candidate said is not liked on a user's word alone."""
    assert vote(source(**fields)) == reason
