"""What the supervisor hands to the archiver: one JSON object on an inherited pipe."""

import msgspec


class ArchiverBoot(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The archiver's start."""

    records: str
    """Path of the records."""
    archive: str
    """URL of the archive."""
    exposition: str
    """Where it writes its part of /metrics."""
    ready_fd: int = -1
    """It writes one byte to it when it has begun."""
