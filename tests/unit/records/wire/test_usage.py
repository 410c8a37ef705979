"""Tokens, from each API's way of counting them."""

import json

import pytest

from records.wire.usage import Usage, estimate, find, read

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
        (
            {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "input_tokens": 9, "output_tokens": 2},
            Usage(9, 2),
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


def counts(prompt: int, completion: int, **more: int) -> Usage:
    return Usage(prompt, completion, **more)


PROVIDERS = {
    "OpenAI, chat with audio": (
        {"usage": {"prompt_tokens": 1117, "completion_tokens": 46, "total_tokens": 1163,
                   "prompt_tokens_details": {"cached_tokens": 0, "text_tokens": 1024, "audio_tokens": 93},
                   "completion_tokens_details": {"reasoning_tokens": 0, "text_tokens": 9, "audio_tokens": 37}}},
        counts(1117, 46, audio_prompt_tokens=93, audio_completion_tokens=37),
    ),
    "OpenAI, Responses": (
        {"usage": {"input_tokens": 75, "input_tokens_details": {"cached_tokens": 32}, "output_tokens": 1186,
                   "output_tokens_details": {"reasoning_tokens": 1024}, "total_tokens": 1261}},
        counts(75, 1186, cached_tokens=32, reasoning_tokens=1024),
    ),
    "OpenAI, Responses' last event": (
        {"type": "response.completed", "response": {"usage": {"input_tokens": 7, "output_tokens": 5}}},
        counts(7, 5),
    ),
    "OpenAI, images": (
        {"usage": {"total_tokens": 100, "input_tokens": 40, "output_tokens": 60,
                   "input_tokens_details": {"text_tokens": 10, "image_tokens": 30}}},
        counts(40, 60),
    ),
    "OpenAI, transcription": (
        {"usage": {"type": "tokens", "input_tokens": 14, "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
                   "output_tokens": 45, "total_tokens": 59}},
        counts(14, 45, audio_prompt_tokens=14),
    ),
    "OpenAI, transcription by the second": ({"usage": {"type": "duration", "seconds": 9}}, None),
    "Azure, usage chunk": (
        {"choices": [], "usage": {"completion_tokens": 5, "prompt_tokens": 10, "total_tokens": 15,
                                  "completion_tokens_details": None}},
        counts(10, 5),
    ),
    "vLLM": (
        {"usage": {"prompt_tokens": 9, "total_tokens": 19, "completion_tokens": 10, "prompt_tokens_details": None}},
        counts(9, 10),
    ),
    "SGLang": (
        {"usage": {"prompt_tokens": 9, "total_tokens": 19, "completion_tokens": 10, "reasoning_tokens": 4}},
        counts(9, 10, reasoning_tokens=4),
    ),
    "Triton": ({"usage": None}, None),
    "llama.cpp": ({"timings": {"cache_n": 5, "prompt_n": 10, "predicted_n": 20}}, counts(15, 20, cached_tokens=5)),
    "Ollama": ({"prompt_eval_count": 26, "eval_count": 298}, counts(26, 298)),
    "Mistral, audio": (
        {"usage": {"prompt_audio_seconds": 203, "prompt_tokens": 4, "total_tokens": 3264, "completion_tokens": 635}},
        counts(2629, 635, audio_prompt_tokens=2625),
    ),
    "Moonshot, in the choice": (
        {"choices": [{"usage": {"prompt_tokens": 19, "completion_tokens": 21, "cached_tokens": 10}}]},
        counts(19, 21, cached_tokens=10),
    ),
    "xAI, reasoning beside and cached inside": (
        {"usage": {"prompt_tokens": 37, "completion_tokens": 530, "total_tokens": 1266,
                   "prompt_tokens_details": {"text_tokens": 37, "cached_tokens": 8},
                   "completion_tokens_details": {"reasoning_tokens": 699}}},
        counts(37, 1229, cached_tokens=8, reasoning_tokens=699),
    ),
    "Groq": (
        {"x_groq": {"usage": {"queue_time": 0.1, "prompt_tokens": 18, "prompt_time": 0.1, "completion_tokens": 556,
                              "total_tokens": 574}}},
        counts(18, 556),
    ),
    "DeepSeek": (
        {"usage": {"prompt_tokens": 16, "completion_tokens": 10, "total_tokens": 26, "prompt_cache_hit_tokens": 12,
                   "prompt_cache_miss_tokens": 4}},
        counts(16, 10, cached_tokens=12),
    ),
    "Gemini, its own API": (
        {"usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 20, "totalTokenCount": 130,
                           "thoughtsTokenCount": 100, "cachedContentTokenCount": 4}},
        counts(10, 120, cached_tokens=4, reasoning_tokens=100),
    ),
    "Gemini, its own tools": (
        {"usageMetadata": {"promptTokenCount": 10, "toolUsePromptTokenCount": 50, "candidatesTokenCount": 20,
                           "totalTokenCount": 80}},
        counts(60, 20),
    ),
    "Gemini, OpenAI's API": (
        {"usage": {"completion_tokens": 20, "prompt_tokens": 10, "total_tokens": 130,
                   "prompt_tokens_details": {"cached_tokens": 4}}},
        counts(10, 120, cached_tokens=4, reasoning_tokens=100),
    ),
    "Anthropic": (
        {"usage": {"input_tokens": 10, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 85,
                   "output_tokens": 3, "service_tier": "standard"}},
        counts(100, 3, cached_tokens=85, cache_write_tokens=5),
    ),
    "LiteLLM, of Anthropic": (
        {"usage": {"prompt_tokens": 100, "completion_tokens": 3, "total_tokens": 103,
                   "prompt_tokens_details": {"cached_tokens": 85, "cache_creation_tokens": 5},
                   "cache_creation_input_tokens": 5, "cache_read_input_tokens": 85}},
        counts(100, 3, cached_tokens=85, cache_write_tokens=5),
    ),
    "Bedrock": (
        {"usage": {"inputTokens": 30, "outputTokens": 628, "totalTokens": 758, "cacheReadInputTokens": 100}},
        counts(130, 628, cached_tokens=100),
    ),
    "Cohere": (
        {"usage": {"billed_units": {"input_tokens": 5, "output_tokens": 7},
                   "tokens": {"input_tokens": 71, "output_tokens": 8}}},
        counts(71, 8),
    ),
    "DashScope": (
        {"usage": {"prompt_tokens": 3019, "completion_tokens": 104, "total_tokens": 3123,
                   "prompt_tokens_details": {"cached_tokens": 2048, "cache_creation_input_tokens": 10}}},
        counts(3019, 104, cached_tokens=2048, cache_write_tokens=10),
    ),
    "MiniMax": (
        {"usage": {"total_tokens": 249, "total_characters": 0, "prompt_tokens": 26, "completion_tokens": 223,
                   "completion_tokens_details": {"reasoning_tokens": 214}}},
        counts(26, 223, reasoning_tokens=214),
    ),
    "OpenRouter": (
        {"usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12, "cost": 0.95,
                   "cost_details": {"upstream_inference_cost": None}}},
        counts(10, 2),
    ),
    "a relay's texts and fractions": (
        {"usage": {"prompt_tokens": 12.0, "completion_tokens": "7", "total_tokens": 19.0}}, counts(12, 7),
    ),
    "a relay's nulls": ({"usage": {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None}}, None),
    "a completion that the total tells": (
        {"usage": {"prompt_tokens": 5, "completion_tokens": None, "total_tokens": 9}}, counts(5, 4),
    ),
    "more from the cache than in the prompt": (
        {"usage": {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 30}}},
        counts(40, 5, cached_tokens=30),
    ),
    "both apart and beside": (
        {"usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 65, "cache_read_input_tokens": 30,
                   "reasoning_tokens": 20}},
        counts(40, 25, cached_tokens=30, reasoning_tokens=20),
    ),
}  # fmt: skip
"""What providers' documentation shows, by who says it."""


@pytest.mark.parametrize("name", PROVIDERS)
def test_what_providers_say(name: str):
    """Wherever it stands and whatever it holds: input, output, and what of them was cached, thought or spoken."""
    answer, usage = PROVIDERS[name]
    assert find(answer) == usage


def test_no_json():
    """What is no JSON holds no usage."""
    assert read(b"{") is None


def test_estimates_say_so():
    """A count made from the text is marked."""
    assert estimate(9, 4) == Usage(3, 1, source="estimated")
