"""Which Crossfade a command is about: where none ever ran, and where its shared state is down."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli.arguments import command_line
from gateway.cli.main import main
from gateway.node.datadir import DataDir, prepare


@pytest.mark.parametrize("words", [["rollback", "r", "--reason", "x"], ["explain", "r"], ["rebuild"], ["report", "r"]])
def test_where_no_gateway_ever_ran(data: DataDir, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """A directory without a state is named, and none is made there."""
    assert main(words) == 1
    said = capsys.readouterr().err
    assert "no gateway has run from here. hint: `crossfade serve` starts one" in said
    assert not data.state.exists()


MAKERS = {("records", "import"), ("eval", "add"), ("keys", "create"), ("serve",), ("doctor",)}
"""What may make a data directory, or says of itself what it lacks."""
WORDS = {"ROUTE": "r", "--by": "me", "--route": "r", "--out": "o", "--dataset": "d", "--base": "b",
         "--format": "trl-sft",
         "--policy": "p.yaml", "--eval": "e", "--grid": "n=1,2", "--reason": "x", "policy": "p.yaml"}  # fmt: skip
"""What is required of some commands, besides."""


NAMES_ANOTHER = {"dataset", "train", "policy"}
"""They need more that is not there, and may say that first."""


def commands() -> Iterator[tuple[str, ...]]:
    """Every command that takes `--data` and makes no directory, with what else it needs."""

    def within(parser: argparse.ArgumentParser, words: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        own = parser._actions  # argparse names them nowhere else
        for action in own:
            for name, below in action.choices.items() if isinstance(action.choices, dict) else ():
                yield from within(below, (*words, name))
        if words not in MAKERS and any("--data" in action.option_strings for action in own):
            needed = [action for action in own if action.required]
            needed += [
                action
                for group in parser._mutually_exclusive_groups
                if group.required
                for action in group._group_actions[:1]
            ]
            yield words + tuple(word for action in needed for word in _given(action))

    def _given(action: argparse.Action) -> list[str]:
        flag = next((option for option in action.option_strings if option.startswith("--")), "")
        word = next((WORDS[name] for name in (flag, str(action.metavar), action.dest) if name in WORDS), "w")
        return [flag, word] if flag else [word]

    return within(command_line(), ())


@pytest.mark.parametrize("words", [*commands()], ids=" ".join)
def test_a_folder_of_something_else_is_no_data_directory(
    words: tuple[str, ...], data: DataDir, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command says so, with the directory that the settings name, and not that nothing is recorded there."""
    Path("mine/records").mkdir(parents=True)
    assert main([*words, "--data", "mine"]) == 1
    said = capsys.readouterr().err
    told = "--data mine: this is no data directory" in said and "hint: the settings name crossfade-data" in said
    assert told or words[0] in NAMES_ANOTHER
    assert [*Path("mine").rglob("*")] == [Path("mine/records")]


@pytest.mark.parametrize("words", [*commands()], ids=" ".join)
def test_a_data_directory_that_is_not_there_is_no_empty_one(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """A slip in `--data` is refused by every command, and nothing is made of it; no system's number is shown."""
    assert main([*words, "--data", "gone"]) == 1
    said = capsys.readouterr().err
    assert "[Errno" not in said
    assert "--data gone: no such directory" in said or words[0] in NAMES_ANOTHER
    assert not Path("gone").exists()


def test_a_name_that_no_system_takes_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """A path that is too long is refused in a sentence."""
    assert main(["status", "--data", "x" * 300]) == 1
    assert "File name too long" in capsys.readouterr().err


def test_a_kill_where_no_gateway_ran_kills_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is none of ours is named: a kill file there would look like a kill, and be heeded by nobody."""
    Path("mine").mkdir()
    assert main(["kill", "--data", "mine"]) == 1
    assert "--data mine: this is no data directory" in capsys.readouterr().err
    assert not Path("mine/KILL").exists()

    prepare(Path("mine"))
    assert main(["kill", "--data", "mine"]) == 0
    assert "no worker is seen to run here: it holds for those that start" in capsys.readouterr().err


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
