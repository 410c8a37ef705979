"""Two background answers to one request, whichever comes first."""

import pytest

from shadow import siblings
from shadow.compare.pair import ModelAnswer
from shadow.siblings import Siblings


def test_the_second_meets_the_first():
    """Of each request once; one that failed is met as nothing, and nobody waits after it."""
    waiting = Siblings()
    one, other = ModelAnswer("a"), ModelAnswer("b")
    assert waiting.meet("x", one, 10) is None
    assert waiting.meet("y", None, 0) is None
    assert waiting.meet("x", other, 10) is one
    assert waiting.meet("y", other, 10) is None
    assert len(waiting) == 0


@pytest.mark.parametrize(("bound", "value"), [("MOST", 2), ("MOST_BYTES", 25)])
def test_beyond_the_bounds_the_oldest_wait_no_longer(monkeypatch: pytest.MonkeyPatch, bound: str, value: int):
    """Neither many answers nor long ones fill the memory."""
    monkeypatch.setattr(siblings, bound, value)
    waiting = Siblings()
    for name in ("x", "y", "z"):
        assert waiting.meet(name, ModelAnswer(name), 10) is None
    assert len(waiting) == 2
    assert waiting.meet("x", ModelAnswer("again"), 10) is None
