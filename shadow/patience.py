"""How long evidence waits for a comparison: one limit for asking, comparing and counting.

    the exchange ends ──► asked within LATEST_ASK_S ──► answered within ASK_S ──► compared and written by PATIENCE_S

What cannot be written by then is not asked: it would be paid for, and count nowhere.
"""

from records.exchange import Meta

PATIENCE_S = 300.0
"""From an exchange's end: what is found beside it later counts nowhere."""
ASK_S = 120.0
"""Longest a background call may take whose variant has no deadline of its own."""
LATEST_ASK_S = PATIENCE_S - ASK_S
"""Nobody is asked beside an exchange that ended longer ago."""


def age_s(meta: Meta, now: float) -> float:
    """How long ago an exchange ended. `now`: Unix seconds."""
    return now - meta.arrived_at - meta.total_s
