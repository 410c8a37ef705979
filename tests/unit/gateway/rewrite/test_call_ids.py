"""A tool call's id on its way to the app and back."""

import pytest

from gateway.rewrite.call_ids import own, signed


@pytest.mark.parametrize(
    ("found", "name"),
    [
        ("functions.read_file:0", "read_file"),  # Kimi K2
        ("functions.search_the_whole_repository_for_text:12", "search_the_whole_repository_for_text"),
        ("chatcmpl-tool-0123456789abcdef0123456789abcdef", "f"),  # vLLM
        ("call_0123456789abcdef01234567", "f"),  # OpenAI, SGLang
        ("D681PevKs", "f"),  # Mistral: nine characters, or its template refuses
        ("0", "f"),
        ("call_cf1", "f"),
    ],
)
def test_each_engine_gets_its_own_id_back(found, name):
    """However an engine writes its ids, the app's has at most 40 characters, says whose it is, and leads back."""
    given = signed(found, name)

    assert given.startswith("call_cf")
    assert len(given) <= 40
    assert own(given, name) == found


def test_an_id_that_is_too_long_has_no_way_back():
    """It is shortened, two of them stay two, and the engine is given the one that the app has."""
    one, two = signed("a" * 60, "f"), signed("b" + "a" * 59, "f")

    assert one != two
    assert len(one) == 40
    assert own(one, "f") == one


@pytest.mark.parametrize("given", ["call_abc", "call_cf", "call_cf9", "call_cfk0_00000000", ""])
def test_what_is_not_ours_stays(given):
    """The frontier's ids, and those that another release wrote, go to the candidate as they are."""
    assert own(given, "f") == given
