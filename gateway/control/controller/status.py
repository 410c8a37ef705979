"""What the controller says of itself, in `run/controller.json`."""

from pathlib import Path

import msgspec


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


def read_status(path: Path) -> ControllerStatus | None:
    """What a controller last wrote; None if nothing can be made of it."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ControllerStatus)
    except (OSError, msgspec.MsgspecError):
        return None
