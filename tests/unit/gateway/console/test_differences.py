"""Two answers side by side: nothing is lost, nothing is made up, nothing takes long."""

import json

from hypothesis import given
from hypothesis import strategies as st

from gateway import clock
from gateway.console.differences import calls, fields, side, words
from shadow.compare.pair import ToolCall
from tests.rooms.pairs import JSON, WORDS

TEXTS = st.lists(WORDS, max_size=8).map(" ".join)


@given(TEXTS, TEXTS)
def test_each_side_can_be_read_off(ours: str, theirs: str) -> None:
    """What both have with what the baseline alone has is the baseline's text; so with the candidate's."""
    pieces = words(ours, theirs)
    assert "".join(piece.text for piece in side(pieces, "gone")) == ours
    assert "".join(piece.text for piece in side(pieces, "new")) == theirs
    if ours == theirs:
        assert all(piece.kind == "same" for piece in pieces)


def test_words_are_whole() -> None:
    """A word that differs is marked whole, and what stands around it is not."""
    marked = [(piece.kind, piece.text) for piece in words("pay the refund now", "pay the return now")]
    assert marked == [("same", "pay the "), ("gone", "refund"), ("new", "return"), ("same", " now")]


def test_nothing_takes_long() -> None:
    """Texts made to be slow to match are compared by lines, or not at all, within moments."""
    began_s = clock.monotonic()
    for ours, theirs in (
        ("a " * 200_000, "b a " * 150_000),
        ("a\n" * 100_000, "b\na\n" * 80_000),
        ("x" * 1_000_000, "x" * 500_000 + "y" + "x" * 500_000),
        ("a b " * 1900, "b a " * 1900),
    ):
        pieces = words(ours, theirs)
        assert "".join(piece.text for piece in side(pieces, "new")) == theirs
    assert clock.monotonic() - began_s < 30


@given(JSON, JSON)
def test_fields_are_all_leaves(ours: object, theirs: object) -> None:
    """Every leaf of either answer has a row; a row is equal where both say the same, and what differs comes first."""
    rows = fields(json.dumps({"x": ours}), json.dumps({"x": theirs}))
    assert rows is not None
    assert [row.equal for row in rows] == sorted(row.equal for row in rows)
    if all(row.equal for row in rows):
        assert json.dumps(ours) == json.dumps(theirs) or ours == theirs


def test_a_number_is_no_text() -> None:
    """`1` and `"1"` read alike and differ; pointers are RFC 6901's; what is no JSON has no fields."""
    (row,) = fields('{"a/b": 1}', '{"a/b": "1"}') or []
    assert (row.path, row.baseline, row.candidate, row.equal) == ("/a~1b", "1", "1", False)
    assert fields("no json", "{}") is None
    assert fields("3", "4") is None


def test_calls_are_aligned_by_name_and_order() -> None:
    """Calls of one tool stand beside each other in order; one that the other does not make stands alone."""
    ours = [ToolCall("look", '{"q":1}'), ToolCall("look", '{"q":2}'), ToolCall("end", "free text")]
    theirs = [ToolCall("end", "free text"), ToolCall("look", '{"q":3}')]
    rows = calls(ours, theirs)
    assert [(row.name, row.baseline, row.candidate) for row in rows] == [
        ("look", '{"q":1}', '{"q":3}'), ("look", '{"q":2}', None), ("end", "free text", "free text"),
    ]  # fmt: skip
    assert [row.equal for row in rows[0].rows] == [False]
    assert rows[2].rows == ()
