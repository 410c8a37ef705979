"""What the supervisor hands to a worker it starts: one JSON object on an inherited pipe, so that no secret is in an
argument, an environment or a file of the worker's.
"""

import msgspec

from gateway.transport.limits import Limits


class Boot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One worker's start."""

    worker: str
    """Its name, unique per start: the journal directory is named after it."""
    listen_fds: list[int]
    """Inherited listening sockets."""
    routing: str
    """Path of the routing table."""
    kill: str
    """Path of the kill file."""
    journal: str
    """Path of the journal directory (of all workers)."""
    journal_key: str
    """Hex, 32 bytes."""
    pepper: str
    """Hex, 32 bytes: keys are kept as HMACs under it."""
    live: str
    """Path of the worker's live counters (`gateway.proxy.counters`)."""
    ready_fd: int = -1
    """The worker writes one byte to it when it accepts requests, and closes it."""
    limits: Limits = Limits()
    segment_bytes: int = 64 * 1024 * 1024
    segment_age_s: float = 300.0
    disk_budget_bytes: int = 10 * 1024 * 1024 * 1024
    drain_s: float = 600.0
    tls_cert: str | None = None
    tls_key: str | None = None
