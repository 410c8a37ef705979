"""Reading what logs write."""

import pytest

from records.importers.imported import completion, decoded, lasted_s, moment

AT = 1_793_005_200.5
TIMES = [
    AT, AT * 1000, int(AT * 1_000_000), str(AT), "2026-10-26T09:00:00.500Z", "2026-10-26 09:00:00.500+00",
    "2026-10-26T11:00:00.500+02:00", "2026-10-26 09:00:00.500000",
]  # fmt: skip


@pytest.mark.parametrize("value", TIMES, ids=repr)
def test_a_moment_in_every_writing(value):
    """Seconds, thousandths, millionths and dates with or without a zone are one moment."""
    assert moment(value) == AT


@pytest.mark.parametrize("value", ["", None, "yesterday", True, 0, [], "nan"], ids=repr)
def test_what_is_no_moment_is_unknown(value):
    """Nothing is made up."""
    assert moment(value) is None


def test_a_time_that_runs_backwards_is_unknown():
    """An end before its beginning lasted nobody knows how long."""
    assert (lasted_s(2.0, 1.0), lasted_s(None, 1.0), lasted_s(1.0, 3.0)) == (None, None, 2.0)


def test_only_objects_and_lists_are_decoded():
    """A text that merely looks like JSON stays a text; so does what is cut off."""
    assert [decoded(text) for text in ('{"a": 1}', "[1]", "7", '{"a":', "[brackets] first")] == [
        {"a": 1}, [1], "7", '{"a":', "[brackets] first",
    ]  # fmt: skip


def test_an_answer_ends_as_what_it_says():
    """With calls it ends by them."""
    assert completion({"content": "x"})["choices"][0]["finish_reason"] == "stop"
    assert completion({"tool_calls": [{}]})["choices"][0]["finish_reason"] == "tool_calls"
