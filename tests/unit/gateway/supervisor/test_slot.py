import pytest

from gateway.supervisor.slot import Turns, backoff_s


@pytest.mark.parametrize(
    ("failures", "expected"), [(0, 0.0), (1, 0.0), (2, 0.1), (3, 0.2), (4, 0.4), (7, 3.2), (8, 5.0), (10_000, 5.0)]
)
def test_pauses_between_starts(failures: int, expected: float) -> None:
    """The first death is repaired at once; one that repeats is tried more and more slowly, up to a bound."""
    assert backoff_s(failures, 5.0) == expected


def test_what_died_together_starts_one_after_the_other() -> None:
    """The first to ask starts at once, each other a gap after the one before, and nobody waits for a turn long past."""
    turns = Turns(gap_s=2.0)
    assert [turns.pause_s(100.0) for _ in range(3)] == [0.0, 2.0, 4.0]
    assert turns.pause_s(105.0) == 1.0
    assert turns.pause_s(200.0) == 0.0
