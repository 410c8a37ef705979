"""What the supervisor hands to the controller: one JSON object on an inherited pipe."""

import msgspec

from gateway.node.state_location import StatePlace
from policies.routing import Table
from policies.surroundings import Surroundings


class ControllerBoot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The controller's start."""

    base: Table
    """What the settings say; its version and lease time mean nothing yet."""
    surroundings: Surroundings
    """What the settings say that a policy depends on."""
    policies: str
    """The folder of policy files."""
    data: str
    """The data directory: journals, state, evidence files and the kill file lie there."""
    journal_key: str
    """Hex, 32 bytes."""
    state: StatePlace
    """Where the shared state is, and the node's own."""
    routing: str
    status: str
    """Where it writes what it thinks of the policy files."""
    shadow_plan: str
    """Where it tells the shadow what to do."""
    exposition: str
    """Where it writes its part of /metrics."""
    warm: str = ""
    """Where the shadow says how many replicas answer; it may be missing."""
    finish_s: dict[str, float] = {}
    """Route -> how long its migration takes where its pace is not known; "": any other's."""
    ready_fd: int = -1
    """It writes one byte to it when a routing table is published."""
