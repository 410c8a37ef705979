"""What the supervisor hands to the recorder: one JSON object on an inherited pipe."""

import msgspec

from gateway.control.row_inputs import RowInputs


class RecorderBoot(RowInputs, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The recorder's start."""

    journal: str
    """Path of the journal directory (of all workers)."""
    journal_key: str
    """Hex, 32 bytes."""
    records: str
    exposition: str
    """Where it writes its part of /metrics."""
    routing: str
    """Path of the routing table: which upstream is whose, for prices; it may be missing."""
    plan: str
    """Path of what the shadow is told to ask, by which several candidates are known apart; it may be missing."""
    readers: str
    """Path of the directory where others say how far they have read the journals."""
    gpu: str = ""
    """Where it writes what an answer of theirs costs of late."""
    shutdown: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    """Model -> the day on which its provider turns it off, where an operator states it."""
    retention_s: float = 90 * 24 * 3600.0
    journal_retention_s: float = 3600.0
    ready_fd: int = -1
    """It writes one byte to it when it has taken up where it stopped."""
