"""Names that are counted apart, and those that are counted together."""

import pytest

from policies import names


def test_beyond_the_most_names_are_counted_together(monkeypatch: pytest.MonkeyPatch):
    """Known names go on being counted apart; further ones are `others`, and never the commonest."""
    monkeypatch.setattr(names, "MOST", 1)
    found: dict[str, int] = {}
    for name in ("a", "b", "c", "a"):
        names.add(found, name)
    assert found == {"a": 2, names.OTHERS: 2}
    assert names.most_common(found) == 2
    assert names.most_common({names.OTHERS: 9}) == 0


def test_a_record_tells_the_commonest():
    """As many as are told, and all others in one number; what is few is told whole."""
    found = {f"n{number:03}": number + 1 for number in range(names.TOLD + 5)}
    told = names.commonest(found)
    assert len(told) == names.TOLD + 1
    assert told[names.OTHERS] == 1 + 2 + 3 + 4 + 5
    assert names.commonest({"a": 1}) == {"a": 1}


def test_squares_count_what_is_together_as_different():
    """Of those counted together nobody knows how often each came: once, at least."""
    assert names.squares({}) == 0
    assert names.squares({"a": 3, "b": 1}) == 10
    assert names.squares({"a": 3, names.OTHERS: 5}) == 14
