"""Routes of embeddings: what may share an index."""

import pytest

from tests.rooms.policy_files import refused, said

EMBEDS = "{model: bge-m3, path: /v1/embeddings}"
MIXED = "vectors of another model do not fit an index of the baseline's vectors, and the cosine of the two says "
MIXED += "nothing of quality"


def test_certified_index_compatibility_is_a_route() -> None:
    """With `vectors` as its quality gate nothing is refused, and the way out of a refusal names it."""
    assert refused(said(match=EMBEDS, compare="[vectors]")) == []
    found = said(match=EMBEDS, compare="[exact]")
    hint = next(each.hint for each in found if each.message == MIXED)
    assert hint.startswith("for the same weights on another engine")


@pytest.mark.parametrize(
    "more",
    [
        {"compare": "[{embedding: {upstream: openai, model: e}}]"},
        {"compare": "[{python: {ref: 'a.py:f'}}]"},
        {"compare": "[{python: {ref: 'a.py:f'}}, vectors]"},
        {"compare": "[exact]"},
        {"compare": "[vectors]", "gates": "{quality: off, accept: unmeasured quality}"},
    ],
)
def test_nothing_else_lets_two_models_share_an_index(more: dict[str, str]) -> None:
    """Neither a cosine, nor a scorer, nor the word that quality is not looked at."""
    extra = f"gates: {more.pop('gates')}" if "gates" in more else ""
    assert ("match.path", MIXED) in refused(said(extra, match=EMBEDS, **more))


def test_a_split_would_mix_vectors() -> None:
    """A fixed share without a certificate is refused for embeddings, and `bypass` moves nothing and is not."""
    split = said("mode: split", match=EMBEDS, compare="[]", stages="[30%]")
    assert ("match.path", MIXED) in refused(split)
    assert ("match.path", MIXED) not in refused(said("mode: bypass", match=EMBEDS, compare="[exact]"))


def test_what_means_nothing_with_embeddings() -> None:
    """Another path beside, a system prompt, vectors of other answers, a gate that wants more than fit."""
    found = refused(
        said(
            "gates: {quality: {margin: -1%}}",
            match="{path: [/v1/embeddings, /v1/completions]}",
            compare="[vectors]",
            candidate="{upstream: vllm, model: m, revision: r, system_prompt: prompts/a.md}",
        )
    )
    assert {place for place, _ in found} >= {"match.path", "candidate.system_prompt", "gates.quality.margin"}
    assert [place for place, _ in refused(said(compare="[exact, vectors]"))] == ["compare.1"]
