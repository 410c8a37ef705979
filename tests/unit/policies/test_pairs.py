"""Compared pairs as JSON lines."""

import json

import pytest

from policies.events import AlsoScored
from policies.pairs import PairError, read

LEAST = {"unit": "u1", "q": 0.5, "error_baseline": False, "error_candidate": True}


def test_the_least_a_line_must_say():
    """Unit, score and both errors; the rest is unknown, and there is no time."""
    pair, timed, _ = read(json.dumps(LEAST).encode())
    assert (pair.unit, pair.q, pair.error_baseline, pair.error_candidate) == ("u1", 0.5, False, True)
    assert (pair.at, timed, pair.output_candidate, pair.valid_candidate, pair.ttft_baseline_s) == (
        0.0,
        False,
        None,
        None,
        None,
    )


def test_everything_a_line_may_say():
    """Each field of the format lands in the event under its own name; outputs only as what guards need."""
    more = {
        "stage_hint": "shadow", "ttft_baseline_s": 0.1, "ttft_candidate_s": 0.2, "total_baseline_s": 1.1,
        "total_candidate_s": 1.2, "cost_baseline_usd": 0.01, "cost_candidate_usd": 0.02, "valid_candidate": True,
        "output_baseline": "I'm sorry", "output_candidate": "", "at": 12.5, "agree": 0.25, "agree_again": 1.0,
        "label": -1, "valid_baseline": False, "p_sample": 0.5, "abstained": True, "user": "u", "prompt_sha": "ab",
        "also": {"python": -0.5, "judge": 1},
    }  # fmt: skip
    pair, timed, _ = read(json.dumps(LEAST | {"q": None, "error_candidate": False} | more).encode())
    assert timed
    assert (pair.at, pair.q, pair.valid_candidate) == (12.5, None, True)
    for name in ("ttft", "total"):
        assert getattr(pair, f"{name}_baseline_s") == more[f"{name}_baseline_s"]
        assert getattr(pair, f"{name}_candidate_s") == more[f"{name}_candidate_s"]
    assert (pair.agree, pair.agree_again, pair.label) == (0.25, 1.0, -1.0)
    assert (pair.valid_baseline, pair.p_sample, pair.abstained) == (False, 0.5, True)
    assert (pair.user, pair.prompt) == ("u", "ab")
    assert pair.also == (AlsoScored("judge", 1.0), AlsoScored("python", -0.5))
    assert (pair.cost_baseline_usd, pair.cost_candidate_usd) == (0.01, 0.02)
    assert pair.output_baseline
    assert pair.output_candidate
    assert (pair.output_baseline.flags, pair.output_candidate.flags) == (("refusal",), ("empty",))


@pytest.mark.parametrize("side", ["baseline", "candidate"])
def test_what_failed_took_no_time(side: str):
    """However soon it failed: live traffic tells none either, and a time would make whoever fails fast look fast."""
    times = {f"{name}_{each}_s": 0.01 for name in ("ttft", "total") for each in ("baseline", "candidate")}
    failed = {"error_baseline": side == "baseline", "error_candidate": side == "candidate"}
    pair = read(json.dumps(LEAST | times | failed).encode()).event
    none = {name for name in times if getattr(pair, name) is None}
    assert none == {f"ttft_{side}_s", f"total_{side}_s"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"exchange_id": "x", "asked": "candidate"}', "a comparison, as `crossfade replay --out` keeps them"),
        (b"not json", "not a compared pair"),
        (b'{"unit": "\xff"}', "not UTF-8. hint: save the file as UTF-8"),
        (b'{"unit": "a"}', "error_baseline"),
        (json.dumps(LEAST | {"score": 1}).encode(), "score"),
        (json.dumps(LEAST | {"q": "high"}).encode(), "q"),
        (json.dumps(LEAST | {"q": float("nan")}).encode(), "not a compared pair"),
        (json.dumps(LEAST | {"q": 1.5}).encode(), r"q is 1.5. hint: .*within \[-1, 1\]"),
        (json.dumps(LEAST | {"q": -2}).encode(), "q is -2"),
        (json.dumps(LEAST | {"label": 3}).encode(), r"^label is 3. hint: .*within \[-1, 1\]"),
        (json.dumps(LEAST | {"agree": 1.1}).encode(), r"^agree is 1.1. hint: .*within \[0, 1\]"),
        (json.dumps(LEAST | {"agree_again": -1}).encode(), "agree_again is -1"),
        (json.dumps(LEAST | {"p_sample": 0}).encode(), "p_sample is 0"),
        (json.dumps(LEAST | {"ttft_candidate_s": 1e300}).encode(), r"ttft_candidate_s is 1e\+300"),
        (json.dumps(LEAST | {"total_baseline_s": -1}).encode(), "total_baseline_s is -1"),
        (json.dumps(LEAST | {"cost_candidate_usd": -0.1}).encode(), "cost_candidate_usd is -0.1"),
        (json.dumps(LEAST | {"at": -5}).encode(), "at is -5"),
        (json.dumps(LEAST | {"missing": True}).encode(), "leave out q"),
        (json.dumps(LEAST | {"abstained": True}).encode(), "nobody could decide, and yet there is a score"),
        (json.dumps(LEAST | {"q": 1.0000001}).encode(), "^q is 1.0000001. hint"),
        (json.dumps(LEAST | {"unit": ""}).encode(), "^`unit` is empty"),
        (json.dumps(LEAST | {"slices": ["german"]}).encode(), "^slices has 'german'. hint: .*as language=german"),
        (json.dumps(LEAST | {"slices": ["tool=a", "tool=b"]}).encode(), "^slices has two values of tool"),
        (json.dumps(LEAST | {"also": {"judge": 2}}).encode(), r"also.judge is 2. hint: .*within \[-1, 1\]"),
    ],
)
def test_a_line_that_is_no_pair_is_refused_with_a_hint(line: bytes, said: str):
    """What is wrong, and what to write instead."""
    with pytest.raises(PairError, match=said) as refused:
        read(line)
    assert "hint: " in str(refused.value)


def test_a_line_may_say_that_its_verdict_is_missing():
    """Both answered and nobody scored: no score, and nothing made up for it."""
    pair, *_ = read(json.dumps({**LEAST, "q": None, "missing": True}).encode())
    assert (pair.q, pair.abstained) == (None, False)
