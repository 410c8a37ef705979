"""How often a leader keeps its evidence: soon, but for a large one, and before too much waits."""

import pytest

from gateway.control.leader.persistence import BYTES_PER_S, MANY_EVENTS, SNAPSHOT_EVENTS, keep_after_s


@pytest.mark.parametrize(
    ("fresh", "kept_bytes", "after_s"),
    [
        (0, 0, 60.0),
        (1, 0, 5.0),
        (SNAPSHOT_EVENTS, 0, 0.0),
        (1, 30 * BYTES_PER_S, 30.0),
        (SNAPSHOT_EVENTS, 30 * BYTES_PER_S, 30.0),
        (MANY_EVENTS, 30 * BYTES_PER_S, 0.0),
    ],
)
def test_a_large_snapshot_is_kept_less_often(fresh: int, kept_bytes: int, after_s: float) -> None:
    """Its writing is spread over time, also while a backlog is worked off, until as much waits as half of what may."""
    assert keep_after_s(fresh, kept_bytes) == after_s
