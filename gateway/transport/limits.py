"""Limits on what a connection may send and how long it may take: the transport enforces them.

A file of its own, not compiled: mypyc cannot subclass msgspec's structs (ADR 005).
"""

import msgspec


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a connection may send, and how long it may take."""

    header_bytes: int = 64 * 1024
    header_count: int = 128
    header_s: float = 10.0
    """From a request's first byte to the end of its headers."""
    body_s: float = 60.0
    """Longest pause in a request body."""
    body_bytes: int = 1024 * 1024 * 1024
    routed_body_bytes: int = 32 * 1024 * 1024
    """Bodies longer than this stream to the baseline unread."""
    keep_alive_s: float = 75.0
    idle_write_s: float = 120.0
    """Longest time an app may leave our bytes unread."""
    connections: int = 8192
    in_flight: int = 1024
    """Requests under way in this worker; above it new ones are shed at once."""
    retry_after_s: float = 1.0
