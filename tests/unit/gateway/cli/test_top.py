"""`crossfade top`: what `status` says, again."""

import pytest

from gateway.cli.main import main
from gateway.control.state.sqlite import SqliteState
from gateway.node.datadir import DataDir


def test_top_looks_again(data: DataDir, state: SqliteState, capsys: pytest.CaptureFixture[str]) -> None:
    """`top` shows what `status` shows, as often as it is told."""
    assert main(["top", "--times", "1"]) == 1
    once = capsys.readouterr().out
    assert "nothing serves from" in once
    assert "\x1b" not in once  # no terminal
