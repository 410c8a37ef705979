"""What the options' table says of the commands is true of them."""

import argparse
import importlib.util

import pytest

from gateway.cli.arguments import COMMANDS, command_line, days


def test_every_command_has_its_module() -> None:
    """Each is where the table says, so that no word of the help leads nowhere."""
    for command in COMMANDS.values():
        assert importlib.util.find_spec(f"gateway.cli.{command.module}") is not None


def test_a_command_without_the_option_prints_no_json() -> None:
    """Whatever the command, `arguments.json` is there."""
    assert command_line().parse_args(["top"]).json is False
    assert command_line().parse_args(["policy", "schema"]).json is False
    assert command_line().parse_args(["status", "--json"]).json is True


@pytest.mark.parametrize(("text", "found"), [("7d", 7.0), ("12h", 0.5), ("0.5d", 0.5)])
def test_days(text: str, found: float) -> None:
    """Days and hours, as days."""
    assert days(text) == found


@pytest.mark.parametrize("text", ["7", "d", "", "7w"])
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    """The message shows how a time is written."""
    with pytest.raises(argparse.ArgumentTypeError, match="hint: 7d, or 12h"):
        days(text)
