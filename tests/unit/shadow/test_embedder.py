"""Embedding a share of the pairs, drawn by their ids, as a diagnostic."""

import json
from dataclasses import dataclass, field, replace

import pytest

from policies.language.amounts import PPM
from shadow.compare.pair import Score
from shadow.embedder import Embedder
from shadow.ports import ModelCall, ModelReply
from tests.rooms.pairs import pair


@dataclass
class Vectors:
    """A model that says what it was told to."""

    says: ModelReply
    asks: list[ModelCall] = field(default_factory=list)

    async def ask(self, ask: ModelCall) -> ModelReply:
        self.asks.append(ask)
        return self.says


def heard(one: list[float], other: list[float]) -> ModelReply:
    data = [{"index": 0, "embedding": one}, {"index": 1, "embedding": other}]
    return ModelReply(200, json.dumps({"data": data}).encode())


async def test_a_cosine_is_told_and_scores_nothing() -> None:
    """Likeness, and no score that a gate could rest on."""
    model = Vectors(heard([1, 0], [0.6, 0.8]))
    found = await Embedder(model, "local", "bge", PPM).score(pair("a", "b"))
    assert (found.q, found.agree, found.told) == (None, pytest.approx(0.6), {"cosine": 0.6})
    (asked,) = model.asks
    assert (asked.upstream, asked.path) == ("local", "/v1/embeddings")
    assert json.loads(asked.body)["model"] == "bge"


async def test_opposite_answers_are_not_alike() -> None:
    """Likeness ends at 0."""
    found = await Embedder(Vectors(heard([1, 0], [-1, 0])), "local", "bge", PPM).score(pair("a", "b"))
    assert (found.agree, found.told["cosine"]) == (0.0, -1.0)


@pytest.mark.parametrize("says", [ModelReply(503, b"{}"), ModelReply(0, b"", "timeout"), ModelReply(200, b"{}")])
async def test_a_model_that_gives_no_vectors_abstains(says: ModelReply) -> None:
    """Nothing is made up."""
    found = await Embedder(Vectors(says), "local", "bge", PPM).score(pair("a", "b"))
    assert (found.abstained, found.agree) == (True, None)


async def test_only_the_drawn_are_asked_about() -> None:
    """A share of the pairs, by their ids; and none without text."""
    model = Vectors(heard([1, 0], [1, 0]))
    embedder = Embedder(model, "local", "bge", PPM // 4)
    found = [await embedder.score(replace(pair("a", "b"), id=f"pair-{at}")) for at in range(200)]
    assert len(model.asks) == sum(score.agree is not None for score in found)
    assert 20 < len(model.asks) < 80
    assert {score.p_sample for score in found if score.agree is not None} == {0.25}
    assert await Embedder(model, "local", "bge", PPM).score(pair("a", "")) == Score()
