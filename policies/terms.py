"""The words decisions are made of. One word per thing: the same in code, policy files, metrics and pages.

Standard library only: workers and command line load this.
"""

from enum import IntEnum, StrEnum


class Verdict(IntEnum):
    """What one gate or guard says, from best to worst: the worst wins."""

    PASS = 0
    INCONCLUSIVE = 1
    """Too little evidence to tell. Never a pass, never a failure."""
    ERROR = 2
    """Evidence that should be there is missing, not a number, or stale. Lasting, it counts as a failure."""
    FAIL = 3
    """Harm is certified."""


class Better(StrEnum):
    """Which way a metric improves."""

    HIGHER = "higher"
    LOWER = "lower"


class Owner(StrEnum):
    """The variant a request was assigned to, whatever became of it."""

    BASELINE = "baseline"
    CANDIDATE = "candidate"


class Phase(StrEnum):
    """Where a rollout stands."""

    SHADOW = "shadow"
    """Nobody sees the candidate's answers."""
    CANARY = "canary"
    """The candidate answers the stage's share."""
    APPROVING = "approving"
    """Every certificate holds, and the next stage waits for an operator's word."""
    PAUSED = "paused"
    """Frozen by an operator, or inconclusive; the weight stays. Only an operator goes on."""
    SUSPENDED = "suspended"
    """Weight 0 since a detector's alarm: tried on mirrored requests, and then back on its stage, or rolled back."""
    PROMOTED = "promoted"
    """The candidate holds the last stage."""
    ROLLED_BACK = "rolled_back"
    """Weight 0, cooling down; then it starts again in the shadow."""
    QUARANTINED = "quarantined"
    """Rolled back too often: weight 0 until a new revision or an operator."""
    REJECTED = "rejected"
    """Harm certified before any traffic moved: weight 0 until a new revision or an operator."""


class Move(StrEnum):
    """What a decision does to a rollout."""

    HOLD = "hold"
    ADVANCE = "advance"
    JOIN = "join"
    """A slice is certified by itself, and moves from now on as those do that are (`policies.moving_slices`)."""
    AWAIT = "await"
    """Every certificate holds, but the next stage wants an operator's approval."""
    WITHDRAW = "withdraw"
    """A certificate no longer holds while approval is awaited."""
    PAUSE = "pause"
    RESUME = "resume"
    RENEW = "renew"
    """A promoted rollout goes on with fresh evidence: the old would drown what is new."""
    SUSPEND = "suspend"
    """Weight 0 at once, until it was tried."""
    RETURN = "return"
    """Tried, and quiet: back to the weight it was suspended from."""
    ROLL_BACK = "roll_back"
    REJECT = "reject"
    RESTART = "restart"
    """Back to the shadow as a new attempt, with no evidence."""


class Outcome(StrEnum):
    """The outcome of a decision, as shown to people and machines."""

    ROLLBACK = "ROLLBACK"
    REJECTED = "REJECTED"
    SUSPEND = "SUSPEND"
    RETURN = "RETURN"
    JOIN = "JOIN"
    PROMOTE = "PROMOTE"
    INCONCLUSIVE = "INCONCLUSIVE"
    HOLD = "HOLD"


class Verb(StrEnum):
    """What an operator may say."""

    PROMOTE = "promote"
    HOLD = "hold"
    RESUME = "resume"
    ROLLBACK = "rollback"


PIN = "pin"
"""The scope of a gateway key whose requests may choose a variant by header, on every route."""
SCOPES = (PIN,)
"""What a gateway key may be made with."""
