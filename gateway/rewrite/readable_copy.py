"""A copy of a request that routing can read, of one that it cannot: compressed, or with half a character in a text.

The copy finds the route, and nothing else: the request goes to the route's baseline as the app sent it.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from policies.request.body import Body, read_body
from records.content_coding import decoded
from records.wire.json_reader import read_fields

_MOST_BYTES: Final = 16 * 1024 * 1024
"""Of a decoded copy: more is not looked into."""


def read_copy(body: bytes, headers: Mapping[bytes, bytes]) -> Body | None:
    """What routing reads of a copy of `body`; None: no reader makes a request of it. `headers`: lower-case names."""
    if not body or len(body) > _MOST_BYTES:
        return None
    plain = decoded(body, headers.get(b"content-encoding", b"").decode("latin-1"), _MOST_BYTES)
    if plain is None:
        return None
    read = read_body(plain) if plain is not body else None
    if read is None:
        fields = read_fields(plain)
        read = read_body(msgspec.json.encode(fields)) if fields is not None else None
    if read is not None:
        read.is_copy = True
    return read
