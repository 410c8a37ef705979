"""Whether two answers of embeddings fit into one index: each vector points where the other's does.

It is index compatibility, and no quality: of two models, whose vectors always differ, it says that they must not share
an index, and nothing of which one finds better. The least cosine of an answer's vectors counts, since each is looked up
by itself.

Source: OpenAI API reference, "Embeddings".
"""

import base64
import binascii
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shadow.compare.pair import Comparator, Fields, ModelAnswer, Pair, Score
from shadow.compare.request import objects

LEAST_COSINE = 0.999
"""What the same weights on other hardware, in half precision, keep to."""
_MOST_DIMENSIONS = 65_536
Vectors = list[NDArray[np.float64]]


def make(options: Fields) -> Comparator:
    """The comparator with the policy's options: `least_cosine`."""
    return partial(compare, least_cosine=float(options.get("least_cosine", LEAST_COSINE)))


def compare(pair: Pair, *, least_cosine: float = LEAST_COSINE) -> Score:
    """0 where the candidate's vectors fit the baseline's index, else -1; nothing where the baseline gave none."""
    baseline, candidate = vectors(pair.baseline), vectors(pair.candidate)
    if baseline is None:
        return Score()
    if candidate is None or len(candidate) != len(baseline):
        return Score(q=-1.0, agree=0.0, valid_baseline=True, valid_candidate=False)
    if any(one.size != other.size for one, other in zip(baseline, candidate, strict=True)):
        sizes = [baseline[0].size, candidate[0].size]
        return Score(q=-1.0, agree=0.0, valid_baseline=True, valid_candidate=True, told={"dimensions": sizes})
    least = min(_cosine(one, other) for one, other in zip(baseline, candidate, strict=True))
    fits = least >= least_cosine
    told = {"cosine": round(least, 6), "vectors": len(baseline)}
    return Score(q=float(fits) - 1.0, agree=float(fits), valid_baseline=True, valid_candidate=True, told=told)


def vectors(answer: ModelAnswer) -> Vectors | None:
    """The answer's vectors in the order of its inputs, however they are written; None: none are there, or not all."""
    items = {item.get("index", place): item for place, item in enumerate(objects(answer.fields.get("data")))}
    found = [_vector(items[place].get("embedding")) for place in range(len(items)) if place in items]
    known = [vector for vector in found if vector is not None]
    return known if known and len(known) == len(items) else None


def _vector(value: Any) -> NDArray[np.float64] | None:
    """Numbers, or base64 of float32 as SDKs ask for; None: it is no vector."""
    try:
        if isinstance(value, str):
            found = np.frombuffer(base64.b64decode(value, validate=True), dtype="<f4").astype(np.float64)
        else:
            found = np.array(value, dtype=np.float64)
    except (binascii.Error, ValueError, TypeError, OverflowError):
        return None
    is_one = found.ndim == 1 and 0 < found.size <= _MOST_DIMENSIONS and bool(np.isfinite(found).all())
    return found if is_one else None


def _cosine(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """-1 to 1; -1 where one of them has no direction: nothing finds it."""
    lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
    return max(-1.0, min(1.0, float(one @ other) / lengths)) if 0 < lengths < np.inf else -1.0
