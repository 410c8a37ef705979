"""What the supervisor hands to the admin process: one JSON object on an inherited pipe."""

import msgspec

from gateway.config.readiness import ReadinessInputs
from gateway.node.state_location import StatePlace


class AdminBoot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The admin process's start."""

    data: str
    """The data directory."""
    state: StatePlace
    """Where the shared state is."""
    socket: str
    """Path of the Unix socket it serves on."""
    token_sha256: str | None = None
    """Hex; None: no token is configured."""
    viewer_sha256: str | None = None
    """Hex, of the token that only looks; None: there is none."""
    tls: bool = False
    """Whether browsers reach the port by TLS: then their cookies never go without."""
    ready_fd: int = -1
    readiness: ReadinessInputs = ReadinessInputs()
