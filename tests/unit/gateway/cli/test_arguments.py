"""What the options' table says of the commands is true of them."""

import argparse
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.arguments import COMMANDS, command_line
from gateway.cli.parser import unheeded
from gateway.cli.values import stated


def test_every_command_has_its_module() -> None:
    """Each is where the table says, so that no word of the help leads nowhere."""
    for command in COMMANDS.values():
        assert importlib.util.find_spec(f"gateway.cli.{command.module}") is not None


def test_a_command_without_the_option_prints_no_json() -> None:
    """Whatever the command, `arguments.json` is there."""
    assert command_line().parse_args(["top"]).json is False
    assert command_line().parse_args(["policy", "schema"]).json is False
    assert command_line().parse_args(["status", "--json"]).json is True


def test_what_was_parsed_leaves_nothing_behind() -> None:
    """The parser is made once; words of one call, repeated options too, are none of the next call's."""
    assert command_line() is command_line()
    plain = ["dataset", "build", "--route", "r", "--format", "trl-sft", "--out", "d"]
    full = [*plain, "--label", "a", "--label", "b", "--json"]
    for words, labels, json in ((full, ["a", "b"], True), (full, ["a", "b"], True), (plain, [], False)):
        arguments = command_line().parse_args(words)
        assert (arguments.label, arguments.json) == (labels, json)


def options() -> Iterator[tuple[str, argparse.Action]]:
    """Every option of every command, with the words that lead to it."""

    def within(parser: argparse.ArgumentParser, words: str) -> Iterator[tuple[str, argparse.Action]]:
        for action in parser._actions:
            for name, below in action.choices.items() if isinstance(action.choices, dict) else ():
                yield from within(below, f"{words} {name}")
            yield words, action

    return within(command_line(), "crossfade")


def test_no_option_takes_a_number_that_is_none() -> None:
    """Not a number, infinity and less than nothing are refused by each option that takes a number or a time."""
    kinds = {(f"{words} {action.option_strings}", action.type) for words, action in options() if action.type}
    taken = [
        (where, word)
        for where, kind in kinds
        if kind not in (Path, stated, unheeded)
        for word in ("nan", "inf", "-inf", "-2", "1e999", "nand", "infd", "-1d", "", "many")
        if is_taken(kind, word)
    ]
    assert taken == []
    assert len(kinds) > 30
    whole_numbers = [(where, kind) for where, kind in kinds if is_taken(kind, "7") and isinstance(kind("7"), int)]
    assert [where for where, kind in whole_numbers if is_taken(kind, "9" * 24)] == []  # nothing counts as far
    assert len(whole_numbers) > 10


def test_no_name_is_an_empty_word() -> None:
    """What an unset variable of a shell leaves names nobody: it is refused wherever something heeds it.

    `records forget --user ""` was everybody who has no name.
    """
    assert {action.dest for _, action in options() if action.type is unheeded} == {"reason"}
    for words, action in options():
        takes_words = not isinstance(action.choices, dict) and action.nargs != 0
        if not takes_words or action.type is unheeded:
            continue
        parser = command_line()
        for word in words.split()[1:]:
            parser = next(each.choices[word] for each in parser._actions if isinstance(each.choices, dict))
        with pytest.raises(argparse.ArgumentError, match="is empty"):
            parser._get_value(action, "")


def is_taken(kind: Any, word: str) -> bool:
    """Whether an option of this kind takes the word."""
    try:
        kind(word)
    except argparse.ArgumentTypeError as error:
        assert "hint: " in str(error)
        return False
    return True
