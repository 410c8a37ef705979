"""JSON as servers write it: one function, one error."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.wire.json_reader import (
    Oddities,
    UnreadableError,
    is_text,
    mended_text,
    read,
    read_fields,
    read_piece,
    split_half,
)


@pytest.mark.parametrize(
    ("data", "value", "kind"),
    [
        (b'{"a":1}', {"a": 1}, None),
        (b'["\\ud83d"]', ["\ufffd"], "half_character"),
        (b'["\\ud83d\\ude00"]', ["\U0001f600"], None),
        (b'["caf\xe9"]', ["caf\ufffd"], "not_utf8"),
        (b'["a\nb"]', ["a\nb"], "loose_json"),
        (b"\xef\xbb\xbf[1]", [1], "loose_json"),
        ('["é"]'.encode("utf-16"), ["é"], "not_utf8"),
        ('["é"]'.encode("utf-16-be"), ["é"], "not_utf8"),
        ('["é"]'.encode("utf-32"), ["é"], "not_utf8"),
        (b"[NaN, 99999999999999999999999]", None, "loose_json"),
    ],
)
def test_odd_json_is_read_and_counted(data, value, kind):
    """What SDKs read is read, every text in it can be written again, and its oddity is counted."""
    odd = Oddities()
    found = read(data, odd)

    assert list(odd) == ([kind] if kind else [])
    assert json.dumps(found, ensure_ascii=False).encode()
    if value is not None:
        assert found == value


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"nothing", b'{"a":' * 5000])
def test_what_is_no_json_raises_one_thing(data):
    """No bytes raise anything else than the one error."""
    odd = Oddities()
    with pytest.raises(UnreadableError):
        read(data, odd)
    with pytest.raises(UnreadableError):
        read_piece(data, odd)
    assert read_fields(data) is None
    assert odd == {"not_json": 2}


def test_what_is_no_object_is_counted():
    """A list is JSON, and no object."""
    odd = Oddities()
    assert read_fields(b"[]", odd) is None
    assert odd == {"not_an_object": 1}


@given(st.binary())
def test_any_bytes(data):
    """Bytes are read or refused; nothing else comes of them, and what is read can be written again."""
    try:
        written = json.dumps(read(data), ensure_ascii=False).encode()
    except UnreadableError:
        written = b"refused"
    assert written


@given(st.text(), st.data())
def test_a_text_cut_anywhere_is_whole_again(text, data):
    """However a text's bytes are cut in two, its halves join to the text, and a begun character is kept back."""
    raw = text.encode()
    at = data.draw(st.integers(0, len(raw)))
    first, second = (part.decode("utf-8", "surrogateescape") for part in (raw[:at], raw[at:]))
    whole, half = split_half(first)

    assert mended_text(first + second) == text
    assert mended_text(whole) + mended_text(half + second) == text


def test_a_begun_surrogate_pair_is_kept_back():
    """The first half of an emoji waits for the second; a second half alone is no beginning."""
    assert split_half("a\ud83d") == ("a", "\ud83d")
    assert split_half("a\ude00") == ("a\ude00", "")
    assert split_half("") == ("", "")


def test_text_and_no_text():
    """UTF-8 is text."""
    assert is_text("é".encode())
    assert not is_text(b"\xe9")
