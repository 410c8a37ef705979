"""What is kept of a body: its bytes up to a limit, its size and hash always."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.body_copy import BodyCopy

PIECES = st.lists(st.binary(max_size=20), max_size=12)


@given(PIECES)
def test_a_short_body_is_kept_whole(pieces: list[bytes]) -> None:
    """Within the limit all bytes are there, and no hash is needed."""
    kept = BodyCopy(1000)
    for piece in pieces:
        kept.add(piece)
    whole = b"".join(pieces)
    assert (kept.size, kept.pending) == (len(whole), len(whole))
    assert kept.sha256() == ""
    assert kept.take() == whole
    assert kept.pending == 0


@given(PIECES, st.integers(0, 100))
def test_beyond_the_limit_only_size_and_hash_are_left(pieces: list[bytes], limit: int) -> None:
    """A body over the limit gives no bytes at all, but the hash of all of them."""
    kept, whole = BodyCopy(limit), b"".join(pieces)
    for piece in pieces:
        kept.add(piece)
    assert kept.size == len(whole)
    if limit and len(whole) <= limit:
        assert kept.take() == whole
    else:
        assert kept.take() == b""
        assert kept.sha256() == hashlib.sha256(whole).hexdigest()


@given(PIECES, st.integers(0, 200), st.data())
def test_parts_and_the_hash_are_of_the_whole(pieces: list[bytes], limit: int, data: st.DataObject) -> None:
    """Parts taken on the way are the body's beginning; the hash is of the whole however often it was taken."""
    kept, whole, parts = BodyCopy(limit), b"".join(pieces), b""
    took = False
    for piece in pieces:
        kept.add(piece)
        if data.draw(st.booleans()):
            parts, took = parts + kept.take_part(), True
    parts += kept.take()
    assert whole.startswith(parts)
    assert parts == whole or len(whole) > limit or limit == 0
    if took or limit == 0:
        assert kept.sha256() == hashlib.sha256(whole).hexdigest()
