"""A request's JSON without its long texts: whatever routing asks about most requests, it can ask that.

To skip a prompt of 32 KB, a reader of JSON looks at each of its bytes. A text ends at the next quote that is not
escaped, and `bytes.find` looks for that many bytes at a time.
"""

from typing import Final

_LONG_BYTES: Final = 2048
_QUOTES: Final = 32
_QUOTE_BYTES: Final = 512
"""How many quotes are looked for: so many, and one for so many bytes. What has more is as quickly read."""
_WINDOW_BYTES: Final = 256
_BACKSLASH: Final = 92

Span = tuple[int, int]
"""Where a text begins and ends, quotes included."""


def abridge(raw: bytes) -> tuple[bytes, dict[str, Span]]:
    """`raw` with a mark for each JSON string over 2 KiB, and by mark where in `raw` that string stands, in order.

    Not all of them need be found: a body is given up, and comes back as it is, whose quotes stand close together. What
    is left out is not looked into: an escape in it that is none goes unnoticed. A mark is a NUL and a place in the
    body: no text is one by chance, and whoever writes one on purpose misleads us about a request of their own.
    """
    texts: dict[str, Span] = {}
    size = len(raw)
    middle = size // 2
    if raw.find(b'"', middle, middle + _WINDOW_BYTES) >= 0:
        return raw, texts  # the middle of most bodies that are worth it lies in a long text
    kept: list[bytes] = []
    kept_up_to = at = 0
    begin = -1  # outside of a text
    for _ in range(_QUOTES + size // _QUOTE_BYTES):
        quote = raw.find(b'"', at)
        if quote < 0 or (begin < 0 and size - quote <= _LONG_BYTES):
            break
        at = quote + 1
        if begin < 0:
            begin = quote
        elif not _is_escaped(raw, quote):
            if quote - begin > _LONG_BYTES:
                kept += (raw[kept_up_to : begin + 1], b"\\u0000%d" % begin)
                texts[f"\0{begin}"] = (begin, at)
                kept_up_to = quote
            begin = -1
    kept.append(raw[kept_up_to:])
    return b"".join(kept), texts


def _is_escaped(raw: bytes, at: int) -> bool:
    """Whether an odd number of backslashes stands before `at`."""
    before = at - 1
    while raw[before] == _BACKSLASH:
        before -= 1
    return (at - before) % 2 == 0
