"""A server-sent event. A file of its own: msgspec makes its class, which a compiled module would not leave to it."""

import msgspec


class StreamEvent(msgspec.Struct, frozen=True, gc=False):
    """One event."""

    event: str
    """Its name; empty: it has none."""
    data: bytes
    """Its data lines, joined by a line feed."""
