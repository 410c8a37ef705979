"""How far long work is: seen on a terminal, and nowhere else."""

import io
import sys

import pytest

from gateway.cli.progress import counted, progress


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done, of how many, how fast, and how long it still takes; then the line is gone."""
    seen = Terminal()
    monkeypatch.setattr(sys, "stderr", seen)
    assert list(counted(range(3), "pairs", 3)) == [0, 1, 2]
    with progress("exchanges", 10) as done:
        done(5)
        shown = seen.getvalue()
    assert "pairs" in shown
    assert "0/3" in shown
    assert "exchanges" in shown
    assert "<" in shown  # passed<left


def test_a_pipe_sees_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a letter, and what draws is not even loaded."""
    seen = io.StringIO()
    monkeypatch.setattr(sys, "stderr", seen)
    monkeypatch.setitem(sys.modules, "tqdm", None)  # importing it would fail
    assert list(counted("ab", "pairs")) == ["a", "b"]
    assert seen.getvalue() == ""
