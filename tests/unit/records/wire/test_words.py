"""Words of other servers."""

import pytest

from records.wire.words import arguments_text, ending, is_heartbeat, spoken


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("stop", "stop"), ("eos", "stop"), ("END_TURN", "stop"), ("tool_use", "tool_calls"), ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"), ("abort", "error"), ("", ""), (None, ""), (7, ""), ("vibes", "other"),
    ],
)  # fmt: skip
def test_endings(said, meant):
    """A word of any server is OpenAI's; nothing is no ending, and an unknown word is said to be unknown."""
    assert ending(said) == meant


@pytest.mark.parametrize(
    ("data", "is_one"),
    [(b"", True), (b" ping ", True), (b"Keep-Alive", True), (b"{}", True), (b"null", True), (b'{"a":1}', False)],
)
def test_heartbeats(data, is_one):
    """Only words that say nothing are heartbeats."""
    assert is_heartbeat(data) is is_one


def test_parts_are_one_text():
    """Text is what is said, thinking is not, and what is neither says nothing."""
    parts = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}, {"image_url": {}}, 7, {"text": "b"}]
    assert spoken(parts) == ("ab", "hm")


def test_arguments_are_text():
    """An object is written as JSON; a text stays."""
    assert [arguments_text(one) for one in ({"a": 1}, "{", None, {"\ud83d": 1})] == [
        '{"a":1}',
        "{",
        "",
        '{"\ufffd":1}',
    ]
