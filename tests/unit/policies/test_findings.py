"""What is said about a policy: refusals and doubts."""

from policies.findings import Finding, warning


def test_a_doubt_is_no_refusal():
    """Whatever is only worth a second look keeps nothing from loading."""
    assert not warning(("mode",), "a", "b").refused
    assert Finding(("mode",), "a", "b").refused
