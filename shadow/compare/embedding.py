"""The cosine of two answers' embeddings: how near they are in meaning. A diagnostic, calibrated to nothing.

Source: OpenAI API reference, "Embeddings".
"""

import json
import math
from itertools import starmap
from operator import mul
from typing import Any, cast

from records.wire.json_reader import read_fields
from shadow.compare.pair import Pair
from shadow.compare.request import objects

PATH = "/v1/embeddings"
_MOST_CHARS = 8000
"""What an embedding model takes at least; what comes after it is not compared."""
_MOST_NUMBERS = 16_384


def question(model: str, pair: Pair) -> bytes | None:
    """The request for both answers; None: one of them has no text."""
    texts = [answer.text[:_MOST_CHARS] for answer in (pair.baseline, pair.candidate)]
    if not all(text.strip() for text in texts):
        return None
    return json.dumps({"model": model, "input": texts, "encoding_format": "float"}).encode()


def read(body: bytes) -> float | None:
    """The cosine, -1 to 1; None: there are not two vectors of one length."""
    items = objects((read_fields(body) or {}).get("data"))
    vectors = {item.get("index"): _vector(item.get("embedding")) for item in items if item.get("index") in (0, 1)}
    one, other = vectors.get(0), vectors.get(1)
    return cosine(one, other) if one and other and len(one) == len(other) else None


def cosine(one: list[float], other: list[float]) -> float | None:
    """The cosine of two vectors of one length; None: one of them has no direction."""
    lengths = math.hypot(*one) * math.hypot(*other)
    if not 0 < lengths < math.inf:
        return None
    return max(-1.0, min(1.0, math.fsum(starmap(mul, zip(one, other, strict=True))) / lengths))


def _vector(value: Any) -> list[float]:
    numbers = cast("list[Any]", value) if isinstance(value, list) else []
    if len(numbers) > _MOST_NUMBERS or any(isinstance(each, bool) for each in numbers):
        return []
    try:
        return [float(each) for each in numbers if isinstance(each, (int, float))]
    except OverflowError:
        return []
