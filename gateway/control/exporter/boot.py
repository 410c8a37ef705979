"""What the supervisor hands to the exporter: one JSON object on an inherited pipe."""

from gateway.control.exporter.names import Convention
from gateway.control.row_inputs import RowInputs


class ExporterBoot(RowInputs, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The exporter's start."""

    journal: str
    """Path of the journal directory (of all workers)."""
    journal_key: str
    """Hex, 32 bytes."""
    records: str
    """Path of the records: who is forgotten stands there."""
    routing: str
    """Path of the routing table: which upstream is where; it may be missing."""
    plan: str
    """Path of what the shadow is told to ask, by which several candidates are known apart; it may be missing."""
    readers: str
    """Path of the directory where it says how far it has read the journals."""
    exposition: str
    """Where it writes its part of /metrics."""
    endpoint: str
    """Where spans are posted to."""
    service_name: str
    version: str
    """Of ours."""
    headers_file: str = ""
    """Path of headers for each post; it may hold secrets. Empty: none."""
    ca_file: str = ""
    conventions: tuple[Convention, ...] = ("gen_ai",)
    content: bool = False
    """Whether redacted prompts and answers are told."""
    trace_ppm: int = 1_000_000
    """Share of the traces that begin with us."""
    gpu: str = ""
    """Path of what an answer of theirs costs of late; it may be missing."""
    journal_retention_s: float = 3600.0
    ready_fd: int = -1
    """It writes one byte to it when it has taken up where it stopped."""
