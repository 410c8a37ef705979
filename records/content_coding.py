"""Bodies as they were before a content coding: a copy for the records, never what the app gets.

Source: RFC 9110, 8.4; RFC 1951 and 1952; RFC 7932; RFC 8878.
"""

import sys
import zlib
from typing import Any

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_brotli: Any = brotli  # it has no types

MOST_BYTES = 64 * 1024 * 1024
"""Of one decoded body: a small bomb is not to become a big one here."""


def decoded(body: bytes, coding: str, most_bytes: int = MOST_BYTES) -> bytes | None:
    """`body` without its content codings, as far as it goes; None: unknown, damaged, or over `most_bytes`."""
    for name in reversed([part.strip().lower() for part in coding.split(",")]):
        if name in ("", "identity"):
            continue
        try:
            found = _decode(body, name, most_bytes)
        except (zlib.error, _brotli.error, zstd.ZstdError):
            return None
        if found is None or len(found) > most_bytes:
            return None
        body = found
    return body


def _decode(body: bytes, name: str, most_bytes: int) -> bytes | None:
    """One coding undone, a byte beyond `most_bytes` at most.

    Raises:
        zlib.error, brotli.error, zstd.ZstdError: damaged.
    """
    if not body:
        return body
    match name:
        case "gzip" | "x-gzip":
            return _gunzip(body, most_bytes + 1)
        case "deflate":
            # Said to be zlib's format; some servers send the bare one.
            wbits = 15 if body[0] & 0x0F == 8 else -15
            return zlib.decompressobj(wbits=wbits).decompress(body, most_bytes + 1)
        case "br":
            return _brotli.Decompressor().process(body, output_buffer_limit=most_bytes + 1)
        case "zstd":
            return zstd.ZstdDecompressor().decompress(body, most_bytes + 1)
        case _:
            return None


def _gunzip(body: bytes, most_bytes: int) -> bytes:
    """All members, one after the other.

    Raises:
        zlib.error: damaged.
    """
    found = b""
    while body and len(found) < most_bytes:
        member = zlib.decompressobj(wbits=31)
        found += member.decompress(body, most_bytes - len(found))
        body = member.unused_data.lstrip(b"\0")
    return found
