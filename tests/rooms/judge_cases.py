"""Pairs for the tests of the judge."""

from typing import Any

from shadow.compare.pair import AppRequest, ModelAnswer, Pair

CHAT = "/v1/chat/completions"


def asked(text: str, **more: Any) -> AppRequest:
    """A chat request that says this."""
    return AppRequest(CHAT, {"model": "gpt-4o", "user": "u-1", "messages": [{"role": "user", "content": text}], **more})


def pair(number: int = 0, baseline: str | None = None, candidate: str | None = None) -> Pair:
    """A pair that is like no other number's."""
    words = " ".join(f"word{number}x{place}" for place in range(12))
    return Pair(
        asked(f"question {number}: please say all twelve of the words that belong to it"),
        ModelAnswer(f"The words are {words}." if baseline is None else baseline, finish="stop"),
        ModelAnswer(f"Here you have {words}!" if candidate is None else candidate, finish="stop"),
        id=f"id-{number}",
    )
