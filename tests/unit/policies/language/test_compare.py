"""Comparators: what each is told, and what may rest on it."""

import pytest

from policies.language import compare as comparators
from policies.language.compare import Exact, Judge
from tests.rooms.policy_files import complaints, policy


@pytest.mark.parametrize("compare", ["[exact]", "[exact: {}]", "[exact: ]", "exact", "exact: {}"])
def test_a_name_is_short_for_a_name_with_nothing(compare: str):
    """In a list or alone, with or without options."""
    text = compare if compare.startswith("[") or ":" not in compare else f"{{{compare}}}"
    (found,) = policy(compare=text).compare

    assert (found.name, found.options) == ("exact", Exact())


def test_a_judge_is_told_whom_to_ask_and_how_often():
    """A quarter of the remaining pairs by default: less would be no certificate."""
    (found,) = policy(compare="[{judge: {upstream: openai, model: j}}]").compare

    assert (found.name, found.options) == (
        "judge",
        Judge.model_validate({"upstream": "openai", "model": "j", "sample": "25%"}),
    )


def test_names_of_comparators_are_names_of_metrics():
    """What scores, what checks and what only shows are disjoint in what gates may rest on."""
    names = {field.alias or name for name, field in comparators.Comparator.model_fields.items()}

    assert names == {*comparators.SCORES, *comparators.CHECKS, *comparators.DIAGNOSTIC}
    assert not {*comparators.SCORES} & {*comparators.DIAGNOSTIC}


@pytest.mark.parametrize("compare", ["[{}]", "[{exact: {}, tool_calls: {}}]"])
def test_a_list_item_is_one_comparator(compare: str):
    """None and two are refused."""
    assert "must be one comparator" in complaints(compare=compare)[0]


def test_a_judge_of_too_few_pairs_is_refused():
    """Below a quarter the certificate would take for ever."""
    judge = "[{judge: {upstream: openai, model: j, sample: 24%}}]"

    assert "is too little for a certificate (at least 25%)" in complaints(compare=judge)[0]


def test_the_json_schema_has_the_short_form():
    """A name alone will do for what needs no options."""
    short, _ = comparators.Comparator.model_json_schema()["anyOf"]

    assert {"schema", "exact", "json_fields", "tool_calls", "vectors", "feedback"} <= set(short["enum"])
    assert not {"judge", "python", "promptfoo"} & set(short["enum"])
