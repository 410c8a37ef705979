"""Nearness in meaning, out of an embedding model's answer."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shadow.compare import embedding
from tests.rooms.pairs import FEWER, JSON, pair


def body(*vectors: Any, **more: Any) -> bytes:
    return json.dumps({"data": [{"index": at, "embedding": each} for at, each in enumerate(vectors)], **more}).encode()


def test_both_texts_are_asked_about_at_once() -> None:
    """Their beginnings, as plain numbers."""
    asked = json.loads(embedding.question("m", pair("a" * 9000, "b")) or b"")
    assert asked == {"model": "m", "input": ["a" * 8000, "b"], "encoding_format": "float"}
    assert embedding.question("m", pair("a", " ")) is None


@pytest.mark.parametrize(
    ("one", "other", "cosine"),
    [([1, 0], [1, 0], 1.0), ([1, 0], [0, 2], 0.0), ([1, 0], [-3, 0], -1.0), ([1, 1], [1, 0], math.sqrt(0.5))],
)
def test_the_cosine(one: list[float], other: list[float], cosine: float) -> None:
    """Of the directions; the length of a vector says nothing."""
    assert embedding.read(body(one, other)) == pytest.approx(cosine)


def test_vectors_are_told_apart_by_their_index() -> None:
    """They may come in any order, and more of them than were asked for."""
    data = [{"index": 1, "embedding": [0, 1]}, {"index": 0, "embedding": [0, 2]}, {"index": 2, "embedding": [9, 9]}]
    assert embedding.read(json.dumps({"data": data}).encode()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        b"{}",
        body([1, 0]),
        body([1, 0], [1]),
        body([], []),
        body([0, 0], [1, 0]),
        body([True], [1]),
        body(["a"], ["b"]),
        body([1e308, 1e308], [1e308, 1e308]),
        body([1.0] * 20_000, [1.0] * 20_000),
        json.dumps({"data": [{"index": 0, "embedding": "AAAA"}, {"index": 1, "embedding": [1]}]}).encode(),
        b'{"data": [{"index": 0, "embedding": [1%b]}, {"index": 1, "embedding": [1]}]}' % (b"0" * 400),
    ],
)
def test_what_is_not_two_directions_has_no_cosine(answer: bytes) -> None:
    """Nothing is made up."""
    assert embedding.read(answer) is None


@FEWER
@given(JSON)
def test_no_answer_raises(value: Any) -> None:
    """Whatever the model's server says."""
    assert embedding.read(body(value, value)) in (None, pytest.approx(1.0))


VECTORS = st.lists(st.floats(-10, 10), min_size=3, max_size=3)


@FEWER
@given(VECTORS, VECTORS)
def test_both_sides_are_alike(one: list[float], other: list[float]) -> None:
    """From both sides the same, and never beyond 1."""
    found = embedding.cosine(one, other)
    assert found == embedding.cosine(other, one)
    assert found is None or -1 <= found <= 1
