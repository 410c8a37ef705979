from gateway.demo.story import StuckError, cause


def test_the_cause_is_taken_out_of_its_groups():
    """However deep tasks bury it, the demo's own error comes first, else the first there is."""
    stuck, other = StuckError("stuck"), OSError("other")
    assert cause(stuck) is stuck
    assert cause(ExceptionGroup("a", [ExceptionGroup("b", [other]), ExceptionGroup("c", [other, stuck])])) is stuck
    assert cause(ExceptionGroup("a", [ExceptionGroup("b", [other])])) is other
