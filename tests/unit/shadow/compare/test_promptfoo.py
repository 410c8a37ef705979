"""Assertions of promptfoo: which are taken over, what they say of an answer, and what to do about the others."""

import json
from typing import Any

import pytest
from hypothesis import given

from shadow.compare import promptfoo
from shadow.compare.promptfoo import Checks
from tests.rooms.pairs import FEWER, WORDS


def told(text: str = "", *calls: str) -> dict[str, Any]:
    return {"text": text, "tool_calls": [{"name": name, "arguments": "{}"} for name in calls]}


def none(ref: str) -> Any:
    raise AssertionError(ref)


def score(assertions: Any, baseline: str, candidate: str, function: Any = none) -> float:
    checks = promptfoo.read(assertions, "checks.yaml")
    checks = Checks.of(json.loads(json.dumps(checks.plain())))
    return promptfoo.scorer(checks, function)({}, told(baseline), told(candidate))


def holds(kind: str, value: Any, text: str) -> bool:
    """Whether a text keeps to one assertion, and not to its opposite."""
    kept = score([{"type": kind, "value": value}], "", text)
    assert score([{"type": f"not-{kind}", "value": value}], "", text) == -kept
    return kept == 1.0


@pytest.mark.parametrize(
    ("kind", "value", "yes", "no"),
    [
        ("equals", "Hi", "Hi", "hi"),
        ("equals", {"a": 1}, '{"a": 1.0}', '{"a": 2}'),
        ("contains", "team", "the team", "the Team"),
        ("icontains", "TEAM", "the team", "tea"),
        ("contains-any", ["a", "b"], "xb", "x"),
        ("contains-any", "a, b", "xb", "x"),
        ("contains-all", ["a", "b"], "ab", "a"),
        ("icontains-any", ["A"], "a", "b"),
        ("icontains-all", ["A", "B"], "ab", "a"),
        ("starts-with", "Yes", "Yes.", "Oh yes"),
        ("regex", r"\d{3}", "a 123", "a 12"),
        ("is-json", None, "[1]", "one"),
        ("is-json", {"required": ["a"]}, '{"a": 1}', "{}"),
        ("contains-json", None, 'so: {"a": [1]}.', "so: {a}"),
        ("contains-json", {"required": ["a"]}, '{} {"a": 1}', "{} {"),
    ],
)
def test_what_an_assertion_says(kind: str, value: Any, yes: str, no: str) -> None:
    """And its opposite, with not-."""
    assert holds(kind, value, yes)
    assert not holds(kind, value, no)


def test_a_pairs_score_is_the_difference_of_weighted_means() -> None:
    """The candidate's less the baseline's."""
    checks = [{"type": "contains", "value": "a", "weight": 3}, {"type": "contains", "value": "b"}]
    assert score(checks, "", "a") == 0.75
    assert score(checks, "ab", "b") == -0.75
    assert score(checks, "a", "a") == 0.0


def test_calls_are_the_output_where_there_is_no_text() -> None:
    """As JSON, as promptfoo sees them."""
    checks = promptfoo.read([{"type": "contains", "value": '"name": "f"'}], "x")
    assert promptfoo.scorer(checks, none)({}, told(""), told("", "f")) == 1.0


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        (True, 1.0),
        (False, 0.0),
        (0.5, 0.5),
        ({"score": 0.25, "pass": True}, 0.25),
        ({"pass": True}, 1.0),
        ({"pass_": 1}, 1.0),
    ],
)
def test_python_assertions_are_the_users_function(found: Any, kept: float) -> None:
    """Whatever form its grade has; it is told the prompt, and no variables."""
    seen: list[Any] = []

    def load(ref: str) -> Any:
        seen.append(ref)

        def get_assert(output: str, context: dict[str, Any]) -> Any:
            seen.append((output, context["prompt"], context["vars"]))
            return found if output == "candidate" else False

        return get_assert

    checks = promptfoo.read([{"type": "python", "value": "file://evals/check.py"}], "x")
    scored = promptfoo.scorer(checks, load)
    assert (
        scored({"messages": [{"content": "first"}, {"content": "last"}]}, told("baseline"), told("candidate")) == kept
    )
    assert seen == ["evals/check.py:get_assert", ("candidate", "last", {}), ("baseline", "last", {})]
    assert scored({"prompt": "once"}, told("baseline"), told("candidate")) == kept
    assert seen[-1] == ("baseline", "once", {})


def test_a_python_assertion_without_a_grade_raises() -> None:
    """Then the pair is an abstention."""
    checks = promptfoo.read([{"type": "python", "value": "file://check.py:mine"}], "x")
    with pytest.raises(ValueError, match="no score"):
        promptfoo.scorer(checks, lambda _: lambda *_: "good")({}, told("a"), told("b"))


def test_what_holds_for_every_answer_is_taken() -> None:
    """Of a whole configuration the default test's assertions; those of single tests are counted and left out."""
    listed = [{"type": "contains", "value": "a"}]
    config = {"defaultTest": {"assert": listed}, "tests": [{"assert": [*listed, *listed]}, {"vars": {}}, "junk"]}
    assert promptfoo.read(config, "x") == Checks(promptfoo.read(listed, "x").checks, left_out=2)
    assert promptfoo.read({"assert": listed}, "x").left_out == 0


@pytest.mark.parametrize(
    ("stated", "hint"),
    [
        (None, "defaultTest.assert"),
        ([], "defaultTest.assert"),
        ({"tests": [{"assert": [{"type": "contains", "value": "a"}]}]}, "defaultTest.assert"),
        (["junk"], "assertion 1 has no type"),
        ([{"type": "javascript", "value": "x"}], "write it in Python"),
        ([{"type": "not-javascript", "value": "x"}], "write it in Python"),
        ([{"type": "llm-rubric", "value": "x"}], "comparator `judge`"),
        ([{"type": "latency", "threshold": 1}], "gate `latency`"),
        ([{"type": "rouge-n", "value": "x"}], "there are contains, contains-all"),
        ([{"type": "contains"}], "needs a text"),
        ([{"type": "contains", "value": 5}], "in quotes"),
        ([{"type": "equals"}], "needs a text"),
        ([{"type": "contains", "value": "{{name}}"}], "no variables"),
        ([{"type": "contains-any", "value": []}], "needs a list"),
        ([{"type": "contains-any", "value": 5}], "needs a list"),
        ([{"type": "regex", "value": "("}], "no regular expression"),
        ([{"type": "is-json", "value": "file://schema.json"}], "write it in place"),
        ([{"type": "python", "value": "len(output) > 5"}], "into a file"),
        ([{"type": "python", "value": "file://check.js"}], "into a file"),
        ([{"type": "python"}], "into a file"),
        ([{"type": "contains", "value": "a", "weight": 0}], "above 0"),
        ([{"type": "contains", "value": "a", "weight": True}], "above 0"),
        ([{"type": "contains", "value": "a", "weight": "1"}], "above 0"),
        ([{"type": "contains", "value": "a", "threshold": 0.5}], "leave it out"),
    ],
)
def test_what_is_not_taken_over_says_what_to_do(stated: Any, hint: str) -> None:
    """Nothing is left out in silence."""
    with pytest.raises(ValueError, match=r"^checks\.yaml: .*hint: ") as raised:
        promptfoo.read(stated, "checks.yaml")
    assert hint in str(raised.value)


@FEWER
@given(WORDS)
def test_no_text_raises(text: str) -> None:
    """Whatever a model writes."""
    listed: list[dict[str, Any]] = [{"type": kind, "value": "a"} for kind in ("equals", "icontains", "regex")]
    checks = promptfoo.read([*listed, {"type": "contains-json"}, {"type": "is-json"}], "x")
    assert -1.0 <= promptfoo.scorer(checks, none)({}, told(text), told(text[::-1])) <= 1.0


def test_a_text_full_of_braces_takes_no_time() -> None:
    """Only so many beginnings are tried."""
    checks = promptfoo.read([{"type": "contains-json"}], "x")
    assert promptfoo.scorer(checks, none)({}, told("[" * 50_000), told("{" * 50_000)) == 0.0
