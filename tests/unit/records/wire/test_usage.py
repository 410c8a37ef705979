"""Tokens, from each API's way of counting them."""

import json

import pytest

from records.wire.usage import Usage, estimate, read

OPENAI = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 120,
    "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 7, "audio_tokens": 2},
}


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        (
            OPENAI,
            Usage(100, 20, cached_tokens=64, reasoning_tokens=7, audio_prompt_tokens=3, audio_completion_tokens=2),
        ),
        ({"prompt_tokens": 5, "total_tokens": 5}, Usage(5, 0)),
        ({"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": None}, Usage(5, 1)),
        ({"prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 4}, Usage(9, 1, cached_tokens=4)),
        (
            {
                "input_tokens": 10,
                "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
                "output_tokens": 3,
                "output_tokens_details": {"reasoning_tokens": 1},
                "total_tokens": 13,
            },
            Usage(10, 3, cached_tokens=4, cache_write_tokens=2, reasoning_tokens=1),
        ),
        (
            {"input_tokens": 10, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 85, "output_tokens": 3},
            Usage(100, 3, cached_tokens=85, cache_write_tokens=5),
        ),
        (None, None),
        ([], None),
        ({}, None),
        ({"total_tokens": 3}, None),
        ({"prompt_tokens": "many", "completion_tokens": -1}, None),
    ],
)
def test_shapes(raw, usage):
    """Every API's shape gives the same counts; what is not counted is nothing, not zero tokens."""
    assert read(json.dumps(raw).encode()) == usage


def test_no_json():
    """What is no JSON holds no usage."""
    assert read(b"{") is None


def test_estimates_say_so():
    """A count made from the text is marked."""
    assert estimate(9, 4) == Usage(3, 1, source="estimated")
