"""The bytes of a segment, and that nothing but what was sealed comes out of them."""

import struct
import zlib

import pytest
from cryptography.exceptions import InvalidTag

from records.journal.frames import (
    FRAME_HEADER_BYTES,
    MAX_PAYLOAD_BYTES,
    ROOM_BYTES,
    SALT_BYTES,
    TAG_BYTES,
    FrameKind,
    NotASegmentError,
    SegmentSeal,
    read_frame_header,
    read_segment_header,
    segment_header,
)

KEY, SALT = bytes(32), bytes(range(SALT_BYTES))


def test_a_segment_header_says_when_and_with_which_salt() -> None:
    """What was written into a header is read out of it."""
    assert read_segment_header(segment_header(12.5, SALT)) == (12.5, SALT)


@pytest.mark.parametrize("at", range(40))
def test_a_damaged_segment_header_is_none(at: int) -> None:
    """A flipped bit anywhere but in the padding, or a missing byte, and it is no segment."""
    header = bytearray(segment_header(12.5, SALT))
    with pytest.raises(NotASegmentError, match="shorter"):
        read_segment_header(bytes(header[:at]))
    header[at] ^= 1
    if at < 36:
        with pytest.raises(NotASegmentError):
            read_segment_header(bytes(header))
    else:
        assert read_segment_header(bytes(header)) == (12.5, SALT)


def test_a_newer_segment_says_so() -> None:
    """A segment of another format is refused with both numbers."""
    header = bytearray(segment_header(1.0, SALT))
    header[4] = 9
    header[32:36] = zlib.crc32(bytes(header[:32])).to_bytes(4, "little")
    with pytest.raises(NotASegmentError, match="format 9, this version reads 1"):
        read_segment_header(bytes(header))


def test_a_sealed_payload_opens_only_in_its_place() -> None:
    """A payload opens under its own header, index and key, and under no other."""
    seal = SegmentSeal(KEY, SALT)
    header, sealed = map(bytes, seal.seal(FrameKind.WHOLE, 7, b"what happened"))
    assert b"what happened" not in sealed
    assert read_frame_header(header) == (FrameKind.WHOLE, len(sealed), 7)
    assert seal.open(header, 7, sealed) == b"what happened"
    other, _ = seal.seal(FrameKind.CLOSE, 7, b"what happened")
    for place, index, key in ((header, 8, seal), (other, 7, seal), (header, 7, SegmentSeal(bytes(31) + b"x", SALT))):
        with pytest.raises(InvalidTag):
            key.open(place, index, sealed)


@pytest.mark.parametrize("size", [0, ROOM_BYTES - TAG_BYTES, ROOM_BYTES - TAG_BYTES + 1])
def test_a_payload_of_any_length_opens_as_it_was(size: int) -> None:
    """One that fits the memory kept for sealing, one that just does, and one that is longer, each behind another."""
    seal = SegmentSeal(KEY, SALT)
    seal.seal(FrameKind.WHOLE, 0, bytes(size + 1))
    payload = b"x" * size
    header, sealed = map(bytes, seal.seal(FrameKind.WHOLE, 1, payload))
    assert (len(sealed), seal.open(header, 1, sealed)) == (size + TAG_BYTES, payload)


@pytest.mark.parametrize("at", range(FRAME_HEADER_BYTES))
def test_a_damaged_frame_header_is_none(at: int) -> None:
    """Any flipped bit of a frame's header is noticed without the key."""
    header = bytearray(SegmentSeal(KEY, SALT).seal(FrameKind.WHOLE, 7, b"x")[0])
    header[at] ^= 0x10
    assert read_frame_header(bytes(header)) is None


@pytest.mark.parametrize("length", [0, TAG_BYTES - 1, MAX_PAYLOAD_BYTES + TAG_BYTES + 1])
def test_a_frame_of_an_impossible_length_is_none(length: int) -> None:
    """A header that claims less than a tag, or more than any writer makes, is damage."""
    fields = struct.pack("<2sBxII", b"\xcf\x0a", 1, length, 0)
    assert read_frame_header(fields + struct.pack("<I", zlib.crc32(fields))) is None
