"""The order of a comparison: what is plain already, nobody is asked about."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from policies.events import AlsoScored, Output
from records.comparison import Comparison
from shadow.compare import answer as answers
from shadow.compare.pair import ModelAnswer, Pair, Score
from shadow.score_pair import Comparing
from tests.rooms.pairs import CHAT, FEWER, JSON, WORDS, answer, called, pair, swapped, tool


@dataclass
class Asked:
    """A scorer that says what it was told to, and remembers whom it was asked about."""

    says: Score
    pairs: list[Pair] = field(default_factory=list)

    async def score(self, pair: Pair) -> Score:
        self.pairs.append(pair)
        return self.says


def files(name: str) -> bytes:
    raise FileNotFoundError(name)


def comparing(*compare: str | Mapping[str, Mapping[str, object]], metric: str = "", **scorers: Asked) -> Comparing:
    listed = [{each: {}} if isinstance(each, str) else each for each in compare]
    return Comparing(listed, metric or next(iter(listed[0])), files=files, scorers=scorers)


async def test_a_comparator_without_ground_truth_scores_likeness() -> None:
    """Equal answers tie, others lose: nobody knows which is right."""
    same = await comparing("exact").compare(pair("yes", "Yes"))
    other = await comparing("exact").compare(pair("yes", "no"))
    assert (same.q, same.agree, same.p_sample, same.settled) == (0.0, 1.0, 1.0, "equal")
    assert (other.q, other.agree, other.settled) == (-1.0, 0.0, "")


async def test_the_metric_is_whoever_is_asked() -> None:
    """Its score, its probability and its abstention are the pair's."""
    judge = Asked(Score(q=0.5, p_sample=0.25, control=True, cost_usd=0.01, told={"order": "ab"}))
    found = await comparing("judge", judge=judge).compare(pair("one", "two"))
    assert (found.q, found.p_sample, found.agree, found.control, found.abstained) == (0.5, 0.25, 0.0, True, False)
    silent = Asked(Score(abstained=True))
    found = await comparing("judge", judge=silent).compare(pair("one", "two"))
    assert (found.q, found.abstained) == (None, True)


async def test_no_judge_is_asked_about_equal_answers() -> None:
    """Equal but for form: a tie. Identical: a user's own scorer is not asked either."""
    judge, own = Asked(Score(q=1.0)), Asked(Score(q=-0.5))
    by_judge = comparing("judge", "python", judge=judge, python=own)
    found = await by_judge.compare(pair("one", "One"))
    assert (found.q, found.p_sample, found.settled) == (0.0, 1.0, "equal")
    assert (len(judge.pairs), len(own.pairs)) == (0, 1)
    found = await by_judge.compare(pair("one", "one"))
    assert (found.q, found.settled) == (0.0, "identical")
    assert (len(judge.pairs), len(own.pairs)) == (0, 1)


async def test_a_users_scorer_has_the_last_word_on_form() -> None:
    """Answers that differ in case alone are scored by it; if it abstains, that is no tie."""
    both = pair("one", "One")
    assert (await comparing("python", python=Asked(Score(q=-0.5))).compare(both)).q == -0.5
    found = await comparing("python", python=Asked(Score(abstained=True))).compare(both)
    assert (found.q, found.abstained) == (None, True)


async def test_exact_in_the_policy_says_what_equal_is() -> None:
    """Where it is strict, answers that differ in case go to the judge."""
    judge = Asked(Score(q=0.0))
    strict = comparing({"exact": {"normalize": False}}, "judge", metric="judge", judge=judge)
    await strict.compare(pair("one", "One"))
    assert len(judge.pairs) == 1


async def test_an_invalid_answer_loses_where_the_baselines_is_valid() -> None:
    """Validity comes before any likeness: half of the fields are right, and the app cannot read one of them."""
    fields = {"response_format": {"type": "json_schema", "json_schema": {"schema": {"required": ["a"]}}}}
    found = await comparing("schema", "json_fields", metric="json_fields").compare(
        pair('{"a": 1, "b": 1}', '{"b": 1}', fields)
    )
    assert (found.valid_baseline, found.valid_candidate, found.q, found.agree) == (True, False, -1.0, 0.5)
    found = await comparing("schema", "json_fields", metric="json_fields").compare(pair('{"b": 1}', '{"b": 1}', fields))
    assert (found.valid_baseline, found.valid_candidate, found.q) == (False, False, 0.0)


async def test_the_same_calls_need_no_judge() -> None:
    """However they are written."""
    judge = Asked(Score(q=1.0))
    fields = {"tools": [tool("f", {"x": {"type": "string"}})]}
    calls = comparing("tool_calls", "judge", metric="judge", judge=judge)
    found = await calls.compare(pair(answer("", called("f", x="A b")), answer("Wait.", called("f", x="ab")), fields))
    assert (found.q, found.settled, found.agree, judge.pairs) == (0.0, "equal", 1.0, [])
    found = await calls.compare(pair("one", "two", fields))
    assert (found.q, found.agree, len(judge.pairs)) == (1.0, 1.0, 1)


async def test_what_cannot_be_used_is_told_and_says_nothing() -> None:
    """A schema that is gone, or is none: validity is unknown, which advances nothing."""
    without = comparing({"schema": {"file": "gone.json"}}, "exact", metric="exact")
    assert without.problems == ("compare: schema: gone.json",)
    found = await without.compare(pair("a", "a"))
    assert (found.valid_candidate, found.q) == (None, 0.0)


async def test_a_broken_answer_loses_and_nobody_is_asked() -> None:
    """Cut, or silent, where the baseline's is not."""
    judge = Asked(Score(q=1.0))
    by_judge = comparing("judge", judge=judge)
    for candidate in (answer("so it", finish="length"), answer(" ")):
        found = await by_judge.compare(pair("so it is", candidate))
        assert (found.q, found.p_sample, found.settled) == (-1.0, 1.0, "broken")
    assert judge.pairs == []


async def test_two_answers_broken_alike_are_compared() -> None:
    """Both cut at the same limit, or both silent."""
    cut = answer("so it", finish="length")
    assert (await comparing("exact").compare(pair(cut, cut))).q == 0.0
    assert (await comparing("exact").compare(pair("", " "))).q == 0.0
    assert (await comparing("exact").compare(pair(cut, "so it"))).settled != "broken"


async def test_a_metric_that_nobody_gives_scores_nothing() -> None:
    """No scorer, no number: the pair is unscored, unless it is plain."""
    without = comparing("judge")
    assert (await without.compare(pair("one", "two"))).q is None
    assert (await without.compare(pair("one", "one"))).q == 0.0


async def test_likeness_asks_nobody() -> None:
    """The baseline beside itself is compared by what costs nothing."""
    judge = Asked(Score(q=1.0))
    found = comparing("judge", "exact", judge=judge).likeness(pair("one", "two"))
    assert (found.agree, found.q, judge.pairs) == (0.0, None, [])


async def test_the_columns_of_a_row() -> None:
    """What is found fills a row of the records, without a word of either answer."""
    judge = Asked(Score(q=0.5, p_sample=0.25, control=False, cost_usd=0.01, told={"order": "ab"}))
    found = await comparing("judge", "exact", judge=judge).compare(pair("secret one", "secret two"))
    known: dict[str, Any] = {
        "exchange_id": "e", "asked": "candidate", "route": "r", "unit": "u", "candidate_key": "k", "compared_us": 1,
        "p_mirror": 1.0, "came": "answered",
    }  # fmt: skip
    row = Comparison(**known, **found.columns())
    assert (row.metric, row.q, row.p_sample, row.agree, row.judge_cost_usd) == ("judge", 0.5, 0.25, 0.0, 0.01)
    assert (row.control, row.abstained, row.valid_candidate) == (False, False, None)
    assert json.loads(row.scores_json) == {
        "exact": {"q": -1.0, "agree": 0.0},
        "judge": {"q": 0.5, "p_sample": 0.25, "order": "ab"},
    }
    assert json.loads(row.judge_json) == {"order": "ab"}
    assert msgspec.json.decode(row.output_candidate_json, type=Output).length == len("secret two")
    assert b"secret" not in msgspec.json.encode(row)


async def test_an_answer_that_refuses_is_no_silence() -> None:
    """A refusal is compared, not thrown out."""
    found = await comparing("exact").compare(pair("yes", ModelAnswer("", refusal="no")))
    assert (found.q, found.settled) == (-1.0, "")


KEYS = ("messages", "tools", "functions", "response_format", "text", "input", "prompt", "instructions")
REQUESTS = st.dictionaries(st.sampled_from(KEYS), JSON, max_size=3) | st.fixed_dictionaries(
    {
        "tools": st.just([tool("f", {"a": {"type": "string"}})]),
        "response_format": st.fixed_dictionaries(
            {"type": st.just("json_schema"), "json_schema": st.fixed_dictionaries({"schema": JSON})}
        ),
    }
)
FUNCTIONS = JSON | st.fixed_dictionaries({"name": st.just("f"), "arguments": WORDS})
CALLS = st.lists(st.fixed_dictionaries({"function": FUNCTIONS}), max_size=2)
MESSAGES = st.fixed_dictionaries({"content": WORDS | JSON.map(json.dumps) | JSON, "tool_calls": CALLS})


@FEWER
@given(REQUESTS, MESSAGES, MESSAGES, st.sampled_from(["stop", "length", "tool_calls"]))
def test_whatever_models_answer_is_compared(
    request: dict[str, Any], one: dict[str, Any], other: dict[str, Any], finish: str
) -> None:
    """No request and no answer raises; an answer ties with itself, and likeness is the same from both sides."""
    every = comparing("exact", "json_fields", "tool_calls", "schema", metric="exact")

    def read(message: dict[str, Any], finish: str = "stop") -> ModelAnswer:
        body = json.dumps({"choices": [{"message": message, "finish_reason": finish}]}).encode()
        found = answers.read(CHAT, body).answer
        return found or ModelAnswer("")

    both = pair(read(one), read(other, finish), request)
    found, turned = every.likeness(both), every.likeness(swapped(both))
    assert found.agree == turned.agree
    assert found.q in (0.0, -1.0)
    msgspec.convert(found.columns()["scores_json"], str)
    alone = every.likeness(pair(read(one), read(one), request))
    assert (alone.q, alone.agree, alone.settled) == (0.0, 1.0, "identical")


async def test_several_gates_have_their_scores_told() -> None:
    """The likeness is that of the gate that rests on it, wherever it stands; the others' scores ride along."""
    judged = Score(q=0.5, p_sample=0.5)
    listed = [{name: {}} for name in ("exact", "json_fields", "judge")]
    several = Comparing(listed, "judge", files=files, scorers={"judge": Asked(judged)}, also=("json_fields",))
    found = await several.compare(pair('{"a": 1, "b": 2}', '{"a": 1, "b": 3}'))

    assert (found.q, found.p_sample, found.agree) == (0.5, 0.5, 0.5)
    assert found.also == (AlsoScored("json_fields", -0.5),)
    assert msgspec.json.decode(found.columns()["also_json"], type=list[AlsoScored]) == [*found.also]
    assert (await comparing("exact").compare(pair("yes", "no"))).columns()["also_json"] == ""
