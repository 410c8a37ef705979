"""The bytes of a segment: header, frames, and how each is sealed.

Segment: 40 bytes `magic "CFJ1", format u16, zero u16, created_at f64, salt 16 B, crc32 of all that u32, zero u32`.
Frame: 16 bytes `magic u16, kind u8, zero u8, payload length u32, index u32, crc32 of those 12 bytes u32`, then the
payload sealed with AES-256-GCM under the segment's key, the frame's index as nonce and its header as associated data.
All integers little-endian. An index is used once per segment, so a nonce is used once per key.
"""

import struct
from enum import IntEnum
from pathlib import Path
from typing import Final
from zlib import crc32

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

FORMAT: Final = 1
KEY_BYTES: Final = 32
SALT_BYTES: Final = 16
SEGMENT_MAGIC: Final = b"CFJ1"
FRAME_MAGIC: Final = b"\xcf\x0a"
SEGMENT_HEADER: Final = struct.Struct("<4sHHd16s")
_SEGMENT_TAIL: Final = struct.Struct("<II")
SEGMENT_HEADER_BYTES: Final = SEGMENT_HEADER.size + _SEGMENT_TAIL.size
_FRAME_FIELDS: Final = struct.Struct("<2sBxII")
_CRC: Final = struct.Struct("<I")
FRAME_HEADER_BYTES: Final = _FRAME_FIELDS.size + _CRC.size
TAG_BYTES: Final = 16
ROOM_BYTES: Final = 1280 * 1024
"""Longest sealed payload that memory is kept for: that of a full commit (`writer.COMMIT_BYTES`), and some more."""
MAX_PAYLOAD_BYTES: Final = 64 * 1024 * 1024
"""No writer makes a longer one; a header that claims more is damage."""
LENGTHS: Final = struct.Struct("<III")
"""Of an exchange's payload: bytes of meta, of request body, of response body."""

encode_meta = msgspec.msgpack.Encoder().encode


class FrameKind(IntEnum):
    """What a frame holds. Values are the format: append only."""

    WHOLE = 1
    """Finished exchanges, one behind the other, each as LENGTHS, meta, request body, response body."""
    OPEN = 2
    """An exchange under way, as in a WHOLE; its meta is provisional, its response body the first part."""
    PART = 3
    """16 bytes of the exchange's id, then more of its response body."""
    CLOSE = 4
    """The final meta of an OPEN exchange, as in a WHOLE, without a request body; its response body is the last part."""
    FEEDBACK = 5
    GAP = 6
    NOTE = 7
    """A row of the control plane's, not of a worker's."""


class NotASegmentError(Exception):
    """The file does not begin as a segment does: damaged, or of another format."""


class SegmentSeal:
    """Seals and opens the payloads of one segment."""

    def __init__(self, key: bytes, salt: bytes) -> None:
        derived = HKDF(hashes.SHA256(), KEY_BYTES, salt, b"crossfade journal segment").derive(key)
        self._aead = AESGCM(derived)
        self._room: memoryview | None = None
        """Where payloads are sealed: fresh memory for each would have to be zeroed first."""

    def seal(self, kind: int, index: int, payload: bytes) -> tuple[bytes, bytes | memoryview]:
        """A frame's header and sealed payload; the latter only until the next call."""
        size = len(payload) + TAG_BYTES
        fields = _FRAME_FIELDS.pack(FRAME_MAGIC, kind, size, index)
        header = fields + crc32(fields).to_bytes(4, "little")
        if size > ROOM_BYTES:
            return header, self._aead.encrypt(_nonce(index), payload, fields)
        if self._room is None:
            self._room = memoryview(bytearray(ROOM_BYTES))
        sealed = self._room[:size]
        self._aead.encrypt_into(_nonce(index), payload, fields, sealed)
        return header, sealed

    def open(self, header: bytes, index: int, sealed: bytes) -> bytes:
        """The payload of a frame.

        Raises:
            cryptography.exceptions.InvalidTag: damaged, or sealed with another key.
        """
        return self._aead.decrypt(_nonce(index), sealed, header[: _FRAME_FIELDS.size])


def _nonce(index: int) -> bytes:
    return index.to_bytes(12, "little")


def segment_path(worker: Path, number: int) -> Path:
    """Where a segment lies."""
    return worker / f"{number:08d}.seg"


def segment_number(name: str) -> int | None:
    """The number of the segment whose file has this name; None: it is no segment's."""
    digits, dot, ending = name.partition(".")
    if not (dot and ending == "seg" and digits.isascii() and digits.isdigit()):
        return None
    number = int(digits)
    return number if name == f"{number:08d}.seg" else None


def segment_header(created_at: float, salt: bytes) -> bytes:
    """The first bytes of a segment."""
    fields = SEGMENT_HEADER.pack(SEGMENT_MAGIC, FORMAT, 0, created_at, salt)
    return fields + _SEGMENT_TAIL.pack(crc32(fields), 0)


def read_segment_header(data: bytes) -> tuple[float, bytes]:
    """When a segment was created, and its salt.

    Raises:
        NotASegmentError: it does not begin as a segment does.
    """
    if len(data) < SEGMENT_HEADER_BYTES:
        raise NotASegmentError("shorter than a segment's header")
    fields, tail = data[: SEGMENT_HEADER.size], data[SEGMENT_HEADER.size : SEGMENT_HEADER_BYTES]
    magic, found, _, created_at, salt = SEGMENT_HEADER.unpack(fields)
    if magic != SEGMENT_MAGIC or _SEGMENT_TAIL.unpack(tail)[0] != crc32(fields):
        raise NotASegmentError("damaged header")
    if found != FORMAT:
        raise NotASegmentError(f"format {found}, this version reads {FORMAT}")
    return created_at, salt


def read_frame_header(data: bytes) -> tuple[int, int, int] | None:
    """(kind, sealed length, index) of the frame whose header `data` is, or None if it is no header."""
    fields = data[: _FRAME_FIELDS.size]
    if data[:2] != FRAME_MAGIC or _CRC.unpack(data[_FRAME_FIELDS.size : FRAME_HEADER_BYTES])[0] != crc32(fields):
        return None
    _, kind, length, index = _FRAME_FIELDS.unpack(fields)
    return (kind, length, index) if TAG_BYTES <= length <= MAX_PAYLOAD_BYTES + TAG_BYTES else None
