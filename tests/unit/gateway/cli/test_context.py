"""Which Crossfade a command is about: where none ever ran, and where its shared state is down."""

import json
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.node.datadir import DataDir


@pytest.mark.parametrize("words", [["rollback", "r", "--reason", "x"], ["explain", "r"]])
def test_where_no_gateway_ever_ran(data: DataDir, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """A directory without a state is named, and none is made there."""
    assert main(words) == 1
    assert "no gateway has run from here" in capsys.readouterr().err
    assert not data.state.exists()


TURNS = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "good day"}]
COMES_BEFORE = {
    ("records", "import", "--from", "openai", "rows.jsonl"): {"messages": TURNS},
    ("eval", "add", "rows.jsonl"): {"request": {"messages": TURNS[:1]}, "expected": "good day"},
}


@pytest.mark.parametrize("words", COMES_BEFORE, ids=" ".join)
def test_what_comes_before_a_gateway_makes_its_directory(words: tuple[str, ...]) -> None:
    """Logs and evaluation sets are taken in where no gateway ever ran; what is refused leaves nothing behind."""
    assert main([*words, "--route", "bank"]) == 1
    assert not Path("crossfade-data").exists()

    Path("rows.jsonl").write_text(json.dumps(COMES_BEFORE[words]))
    assert main([*words, "--route", "bank"]) == 0

    assert Path("crossfade-data").stat().st_mode & 0o777 == 0o700


def test_a_state_that_is_down(data: DataDir, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the shared state cannot be used, each command says so with what still works."""
    data.state.touch()
    Path("crossfade.yaml").write_text("state: unix:///nowhere/redis.sock\n")
    assert main(["rollback", "triage", "--reason", "x"]) == 1
    assert "hint: `crossfade kill` needs nothing" in capsys.readouterr().err
    assert main(["explain", "triage"]) == 1
    assert "/nowhere/redis.sock" in capsys.readouterr().err
    assert main(["kill"]) == 1
    captured = capsys.readouterr()
    assert "baseline only" in captured.out
    assert "other nodes are not told" in captured.err
    assert data.kill.exists()
    assert main(["kill", "--json"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["shared"]["told"] == "no"
    assert "run `crossfade kill` on each" in json.loads(captured.err)["error"]["hint"]
    assert main(["status"]) == 1
    assert "the shared state cannot be used" in capsys.readouterr().out
