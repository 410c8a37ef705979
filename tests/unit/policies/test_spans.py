"""How long something takes, as people say it."""

import pytest

from policies.spans import span


@pytest.mark.parametrize(
    ("seconds", "told"), [(-3.0, "0 s"), (59.0, "59 s"), (130.0, "2 min"), (7300.0, "2 h"), (3e5, "3 d")]
)
def test_spans_are_said_in_their_largest_unit(seconds: float, told: str):
    """Two digits or so are enough for somebody in a hurry."""
    assert span(seconds) == told
