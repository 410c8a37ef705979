"""What a user's own scorer is told of a pair, and what it may say; the process it runs in is `shadow.scorer`'s.

One line of JSON each way. The scorer gets three dictionaries, `score(request, baseline, candidate)`, and gives a
number: the candidate's score less the baseline's, -1 to 1.
"""

import json
from typing import Any

from records.wire.json_reader import read_fields
from shadow.compare.pair import ModelAnswer, Pair, Score

MAX_REPLY_BYTES = 64 * 1024


def question(pair: Pair, number: int) -> bytes:
    """The line that asks about a pair."""
    told = {
        "number": number,
        "request": pair.asked.fields,
        "baseline": told_of(pair.baseline),
        "candidate": told_of(pair.candidate),
    }
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"


def told_of(answer: ModelAnswer) -> dict[str, Any]:
    """An answer, as a scorer gets it."""
    return {
        "text": answer.text,
        "tool_calls": [{"name": call.name, "arguments": call.arguments} for call in answer.calls],
        "finish_reason": answer.finish,
        "refusal": answer.refusal,
        "body": dict(answer.fields),
    }


def read(line: bytes, number: int) -> Score:
    """What the scorer said; anything but a number from -1 to 1 is an abstention, with its reason."""
    said = read_fields(line) or {}
    if said.get("number") != number:
        return abstention("junk")
    q, error = said.get("q"), said.get("error")
    if isinstance(error, str):
        return abstention("error", at=error)
    if isinstance(q, bool) or not isinstance(q, (int, float)) or not -1 <= q <= 1:
        return abstention("no_score")
    return Score(q=float(q))


def abstention(reason: str, **told: str) -> Score:
    """A missing verdict, with its reason from a closed list."""
    return Score(abstained=True, told={"abstained_for": reason, **told})
