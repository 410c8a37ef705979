"""What the controller says of itself, in `run/controller.json`."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from gateway.control.publish.policy_folder import PolicyFile


class PolicyStatus(msgspec.Struct, frozen=True):
    """What `status` shows of a policy file."""

    file: str
    route: str | None
    error: str | None
    votes_window_s: float | None = None
    """How far back votes on the route's answers are compared; None: they are not."""


class ControllerStatus(msgspec.Struct, frozen=True):
    """What the controller says of itself, in `run/controller.json`."""

    version: int
    policies: tuple[PolicyStatus, ...]
    error: str | None
    """Why it cannot do its work now."""


def status_of(version: int, files: Iterable[PolicyFile], trouble: str | None) -> ControllerStatus:
    """The status of a controller that published table `version` from these policy files."""
    return ControllerStatus(version, tuple(_policy_status(file) for file in files), trouble)


def _policy_status(file: PolicyFile) -> PolicyStatus:
    known = file.compiled
    if known is None:
        return PolicyStatus(file.name, None, file.error)
    return PolicyStatus(file.name, known.route.name, file.error, known.votes_window_s)


def read_status(path: Path) -> ControllerStatus | None:
    """What a controller last wrote; None if nothing can be made of it."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ControllerStatus)
    except (OSError, msgspec.MsgspecError):
        return None
