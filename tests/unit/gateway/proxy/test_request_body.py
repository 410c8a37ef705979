"""A request's body while it comes."""

import pytest

from gateway.proxy.request_body import LOOKED_AT_BYTES, MOST_COMMAS, GatheredBody


def test_what_is_gathered_is_given_once() -> None:
    """All pieces in their order, and nothing the second time."""
    body = GatheredBody()
    body.add(b"ab")
    body.add(b"cd")
    assert (body.size, body.take(), body.size, body.take()) == (4, b"abcd", 0, b"")


PIECE = LOOKED_AT_BYTES // 4


@pytest.mark.parametrize(
    ("piece", "too_much_at"),
    [
        (b"a" * PIECE, 9),  # over the bytes that may be routed
        (b"," * PIECE, 5),  # over the bytes that are looked at, and all of them parts
        (b"," * (MOST_COMMAS // 8) + b"a" * (PIECE - MOST_COMMAS // 8), 9),
    ],
    ids=["long", "parts", "parts enough"],
)
def test_a_body_that_is_no_conversation_is_known_while_it_comes(piece: bytes, too_much_at: int) -> None:
    """Too many bytes, or too many parts once it is long: said at the piece that makes it so."""
    body = GatheredBody()
    for number in range(1, too_much_at + 1):
        body.add(piece)
        assert body.is_too_much(piece, most_bytes=8 * PIECE) is (number == too_much_at)
