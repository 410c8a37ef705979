"""An evaluation set asked of several variants."""

import msgspec
import pytest

from policies.routing import Variant
from records.evaluation.sets import EvalRow
from shadow.compare import exact
from shadow.compare.pair import ModelAnswer, Pair, ToolCall
from shadow.evaluate import EvalTally, EvalWork, VariantAnswer, label_of

VARIANTS = {"baseline": Variant("a"), "candidate": Variant("b")}


def row(number: int, expected: str | None = "yes") -> EvalRow:
    return EvalRow({"messages": [{"role": "user", "content": f"question {number}"}]}, expected)


def said(text: str, cost_usd: float | None = 0.5) -> VariantAnswer:
    return VariantAnswer("answered", "", ModelAnswer(text, finish="stop"), cost_usd)


FAILED = VariantAnswer("failed", "status", None, None)
SKIPPED = VariantAnswer("skipped", "not_ready", None, None)


async def worked(
    rows: list[EvalRow], baseline: VariantAnswer, candidate: VariantAnswer, *, most: int = 10_000
) -> EvalTally:
    """All of it, done with two variants that always say the same; so many questions at most."""

    async def ask(_: EvalRow, variant: Variant) -> VariantAnswer:
        return baseline if variant.upstream == "a" else candidate

    async def score(pair: Pair) -> float | None:
        return exact.make({})(pair).q

    tally = EvalTally(tuple(VARIANTS), "exact")
    work = EvalWork(VARIANTS, tally, ask, score, lambda: "out of money" if tally.done >= most else "", lambda: None)
    await work.run(iter(rows), 2)
    return tally


@pytest.mark.parametrize(
    ("candidate", "mean", "difference", "failed"),
    [(said("yes"), 1.0, 1.0, 0), (said("no"), 0.0, 0.0, 0), (FAILED, 0.0, 0.0, 40), (SKIPPED, None, None, 40)],
    ids=["right", "wrong", "failed", "not asked"],
)
async def test_labelled(candidate: VariantAnswer, mean: float | None, difference: float | None, failed: int) -> None:
    """Each answer is held against the label; one that is none is the worst, and who was not asked is left out."""
    work = await worked([row(number) for number in range(40)], said("no"), candidate)
    first, second = work.results()
    assert (first.mean, first.rows, first.cost_usd) == (0.0, 40, 20.0)
    assert (second.mean, second.failed) == (mean, failed)
    (found,) = work.differences()
    assert found.mean == difference
    if found.lower is not None and found.upper is not None and difference is not None:
        assert found.lower <= difference <= found.upper
        assert (found.lower > 0) == (difference > 0)


async def test_unlabelled() -> None:
    """Without a label the first variant's answer is what the others are held against; if it has none, nothing is."""
    rows = [row(number, None) for number in range(3)]
    alike, unlike = await worked(rows, said("yes"), said("yes")), await worked(rows, said("yes"), said("no"))
    assert [each.differences()[0].mean for each in (alike, unlike)] == [0.0, -1.0]
    nothing = await worked(rows, FAILED, said("yes"))
    assert nothing.differences()[0].n == 0
    assert (nothing.differences()[0].mean, nothing.results()[1].mean) == (None, None)


async def test_one_variant_alone_is_scored_on_labels_only() -> None:
    """Without a label nothing is there to compare with: such a question has no score, and spoils no mean."""
    tally = EvalTally(("only",), "exact")

    async def ask(_: EvalRow, __: Variant) -> VariantAnswer:
        return said("yes")

    async def score(pair: Pair) -> float | None:
        return exact.make({})(pair).q

    work = EvalWork({"only": Variant("u")}, tally, ask, score, lambda: "", lambda: None)
    await work.run(iter([row(0), row(1, None), row(2, None)]), 1)
    assert (tally.done, list(tally.scores["only"].values())) == (3, [1.0])


async def test_stops_and_says_why() -> None:
    """It asks nothing more once something hinders, and says what."""
    work = await worked([row(number) for number in range(100)], said("yes"), said("yes"), most=5)
    assert work.stopped == "out of money"
    assert 5 <= work.done <= 6


def test_calls_as_a_label() -> None:
    """Under `tool_calls` a label is a list of calls, as written by hand or by OpenAI; else it is a text."""
    stated = [{"name": "f", "arguments": {"a": 1}}, {"function": {"name": "g", "arguments": "{}"}}]
    text = msgspec.json.encode(stated).decode()
    assert label_of(text, "tool_calls").calls == (ToolCall("f", '{"a":1}'), ToolCall("g", "{}"))
    assert label_of(text, "exact").text == text
    assert label_of("no calls", "tool_calls").text == "no calls"
