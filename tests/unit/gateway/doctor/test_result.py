"""What one look of doctor found."""

from gateway.doctor.result import CheckResult


def test_a_result_needs_no_hint() -> None:
    """What is fine has nothing to do."""
    assert CheckResult("ok", "python", "3.13").hint == ""
