"""The trace that a request says it belongs to: its `traceparent`. Pure.

Source: W3C Trace Context, 3.2.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

_WRITTEN = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1


class TraceContext(NamedTuple):
    """Where in which trace the app was when it asked."""

    trace_id: str
    """Hex, 16 bytes."""
    span_id: str
    """Hex, 8 bytes: of the app's own span."""
    is_sampled: bool
    """Whether the app keeps this trace."""


def read_traceparent(text: str) -> TraceContext | None:
    """What a `traceparent` says; None: it is none, and there is no trace."""
    found = _WRITTEN.fullmatch(text)
    if found is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    if version == "ff" or (version == "00" and rest) or not int(trace_id, 16) or not int(span_id, 16):
        return None
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def traceparent_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The `traceparent` among a request's headers; empty: there is none that can be read."""
    for name, value in headers:
        if name.lower() == b"traceparent":
            text = value.decode("latin-1")
            return text if read_traceparent(text) is not None else ""
    return ""
