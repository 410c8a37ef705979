import pytest

from gateway.supervisor.slot import backoff_s


@pytest.mark.parametrize(
    ("failures", "expected"), [(0, 0.0), (1, 0.0), (2, 0.1), (3, 0.2), (4, 0.4), (7, 3.2), (8, 5.0), (10_000, 5.0)]
)
def test_pauses_between_starts(failures: int, expected: float) -> None:
    """The first death is repaired at once; one that repeats is tried more and more slowly, up to a bound."""
    assert backoff_s(failures, 5.0) == expected
