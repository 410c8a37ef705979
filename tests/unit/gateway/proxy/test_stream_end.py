"""A stream says that it is over, and is heard however its bytes are cut."""

import pytest

from gateway.proxy.stream_end import StreamEnd

ENDS = (
    b"[DONE]",
    b'"response.completed"',
    b'"response.failed"',
    b'"response.incomplete"',
)
PLAIN = b'data: {"type":"response.created","delta":"hi"}\n\n'


@pytest.mark.parametrize("end", ENDS)
def test_an_end_is_heard_however_it_is_cut(end: bytes) -> None:
    """Each of the ends is known by its last byte at the latest, wherever two reads meet within it."""
    for at in range(len(end)):
        look = StreamEnd()
        assert not look.has_begun(PLAIN)
        assert not look.has_begun(b"data: " + end[:at])
        assert look.has_begun(end[at:] + b"\n\n")
        assert look.has_begun(b"more")


def test_a_stream_that_goes_on_is_not_over() -> None:
    """Events, and parts of them, that only look like an end are none."""
    look = StreamEnd()
    assert not any(look.has_begun(piece) for piece in (PLAIN, b'data: "respon', b'se.delta"\n\n', b"DONE]", b"[DON\n"))
