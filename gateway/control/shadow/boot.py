"""What the supervisor hands to the shadow: one JSON object on an inherited pipe."""

import msgspec

from gateway.control.row_inputs import RowInputs


class ShadowBoot(RowInputs, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The shadow's start."""

    journal: str
    """Path of the journal directory (of all workers); the shadow's own journal is one of them."""
    journal_key: str
    """Hex, 32 bytes."""
    plan: str
    """Path of what the controller tells the shadow; it may be missing."""
    routing: str
    """Path of the routing table: where upstreams are; it may be missing."""
    kill: str
    """Path of the kill file."""
    readers: str
    """Path of the directory where it says how far it has read the journals."""
    exposition: str
    """Where it writes its part of /metrics."""
    keys: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    """Upstream -> the gateway's own key for it."""
    key_files: dict[str, str] = msgspec.field(default_factory=dict[str, str])
    """Upstream -> path of the file that its key stands in, if one: it may be rotated."""
    background: tuple[str, ...] = ()
    """Upstreams that may be asked with no caller's key."""
    gpu: str = ""
    """Path of what an answer of theirs costs of late; it may be missing."""
    warm: str = ""
    """Where it writes how many replicas answer; empty: nobody wants to know."""
    journal_retention_s: float = 3600.0
    ready_fd: int = -1
    """It writes one byte to it when it has taken up where it stopped."""

    def __repr__(self) -> str:
        return "ShadowBoot(***)"
