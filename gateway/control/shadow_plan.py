"""What the controller tells the shadow, in `run/shadow.json`.

The controller replaces the file whole when a policy, a stage or a budget changes; the shadow watches it.
"""

from pathlib import Path

import msgspec

from shadow.plan import FORMAT, ShadowPlan, ShadowRoute

__all__ = ["FORMAT", "ShadowPlan", "ShadowRoute", "encode", "read"]


def encode(plan: ShadowPlan) -> bytes:
    """The file's bytes."""
    return msgspec.json.encode(plan)


def read(path: Path) -> ShadowPlan | None:
    """What the controller last said; None: nothing, or of another version."""
    try:
        plan = msgspec.json.decode(path.read_bytes(), type=ShadowPlan)
    except (OSError, msgspec.MsgspecError):
        return None
    return plan if plan.format <= FORMAT else None
