"""Whether two models' vectors fit one index."""

import base64
import json
import struct
from typing import Any

import pytest

from shadow.compare import answer, vectors
from shadow.compare.pair import AppRequest, ModelAnswer, Pair

PATH = "/v1/embeddings"


def embedded(*each: Any, as_text: bool = False) -> ModelAnswer:
    """An answer with these vectors."""

    def written(vector: Any) -> Any:
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode() if as_text else vector

    data = [{"object": "embedding", "index": at, "embedding": written(vector)} for at, vector in enumerate(each)]
    found = answer.read(PATH, json.dumps({"object": "list", "data": data, "model": "m"}).encode()).answer
    assert found is not None
    return found


def compared(baseline: ModelAnswer, candidate: ModelAnswer, **options: Any) -> Any:
    return vectors.make(options)(Pair(AppRequest(PATH, {"input": "x"}), baseline, candidate))


@pytest.mark.parametrize("as_text", [False, True])
def test_the_same_directions_fit(*, as_text: bool) -> None:
    """Whatever the length of a vector, and however each side writes it."""
    found = compared(embedded([1, 0], [0.6, 0.8]), embedded([2, 0], [0.6, 0.8], as_text=as_text))
    assert (found.q, found.agree, found.valid_candidate) == (0.0, 1.0, True)
    assert (found.told["vectors"], round(found.told["cosine"], 3)) == (2, 1.0)


def test_one_vector_that_does_not_fit_is_enough() -> None:
    """Each is looked up by itself; how near they must be, the policy says."""
    one, other = embedded([1, 0], [1, 0]), embedded([1, 0], [1, 0.1])
    assert (compared(one, other).q, compared(one, other, least_cosine=0.99).q) == (-1.0, 0.0)


@pytest.mark.parametrize(
    ("other", "valid"),
    [
        ([[1, 0, 0]], True), ([[0, 0]], True), ([[-1, 0]], True), ([[1, 0], [1, 0]], False), ([[]], False),
        (["AAAA"], False), ([None], False), ([[None, 1]], False), ([[[1], [0]]], False), (["!"], False),
        ([[1e400, 0]], False),
    ],
)  # fmt: skip
def test_what_does_not_fit(other: list[Any], *, valid: bool) -> None:
    """Other dimensions or directions are a loss; another number of vectors, or none that is one, is no answer."""
    data = [{"index": at, "embedding": each} for at, each in enumerate(other)]
    found = compared(embedded([1, 0]), ModelAnswer("x", fields={"data": data}))
    assert (found.q, found.valid_baseline, found.valid_candidate) == (-1.0, True, valid)


def test_of_a_baseline_without_vectors_nothing_is_said() -> None:
    """It is excused, and not the candidate's fault."""
    assert compared(ModelAnswer("x", fields={"data": []}), embedded([1, 0])).q is None


def test_vectors_come_in_the_order_of_their_index() -> None:
    """However they stand there; one that stands for two, or is missing, makes the answer none."""
    rows = [{"index": 1, "embedding": [0, 1]}, {"index": 0, "embedding": [1, 0]}]
    found = vectors.vectors(ModelAnswer("", fields={"data": rows}))
    assert found is not None
    assert [list(each) for each in found] == [[1, 0], [0, 1]]
    assert vectors.vectors(ModelAnswer("", fields={"data": [*rows, {"index": 3, "embedding": [1, 0]}]})) is None
    assert vectors.vectors(ModelAnswer("", fields={"data": [{"index": "0", "embedding": [1, 0]}]})) is None
