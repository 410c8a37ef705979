"""The reference page of the command line, made from its parser (`gateway/cli/arguments.py`)."""

import argparse
from collections.abc import Iterator
from typing import cast

from gateway.cli.arguments import COMMANDS, command_line
from gateway.cli.overview import GROUPS


def page() -> str:
    """Every command by group, with all its words and options."""
    lines = [
        "# Commands",
        "",
        "`crossfade COMMAND --help` says the same at the terminal. Data goes to stdout, talk to stderr; 0 is fine, 1",
        "refused or failing, 2 bad usage.",
        "",
    ]
    parsers = dict(subcommands(command_line()))
    for title, names in GROUPS.items():
        lines += [f"## {title}", ""]
        for name in names:
            lines += _command(f"crossfade {name}", parsers[name], COMMANDS[name].summary)
    return "\n".join(lines)


def subcommands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The commands that a parser knows, by name."""
    for action in _actions(parser):
        choices = cast("object", action.choices)
        if isinstance(choices, dict):
            yield from cast("dict[str, argparse.ArgumentParser]", choices).items()


def _command(words: str, parser: argparse.ArgumentParser, summary: str) -> list[str]:
    inner = dict(subcommands(parser))
    lines = [f"### `{words}`", "", f"{summary[:1].upper()}{summary[1:]}.", ""]
    for name, each in inner.items():
        said = next(each.help for each in _described(parser) if each.dest == name)
        lines += [f"**`{words} {name}{_positionals(each)}`**: {said or ''}", "", *_options(each)]
    return lines if inner else [*lines, f"`{words}{_positionals(parser)}`", "", *_options(parser)]


def _positionals(parser: argparse.ArgumentParser) -> str:
    found = [action for action in _actions(parser) if not action.option_strings]
    return "".join(f" {_optional(action, _name(action))}" for action in found)


def _optional(action: argparse.Action, name: str) -> str:
    repeated = f"{name}…" if action.nargs in ("*", "+") else name
    return f"[{repeated}]" if action.nargs in ("?", "*") else repeated


def _options(parser: argparse.ArgumentParser) -> list[str]:
    rows = [
        f"| `{_usage(action)}` | {'required; ' if action.required and action.option_strings else ''}{_help(action)} |"
        for action in _actions(parser)
        if "--help" not in action.option_strings
    ]
    return ["| word | means |", "|---|---|", *rows, ""] if rows else []


def _usage(action: argparse.Action) -> str:
    names = ", ".join(action.option_strings)
    takes = "" if action.nargs == 0 else _name(action)
    return f"{names} {takes}".strip()


def _name(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    return "\\|".join(map(str, action.choices)) if action.choices else action.dest.upper()


def _help(action: argparse.Action) -> str:
    return (action.help or "").replace("%%", "%").replace("|", "\\|") or "-"


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """A parser's words and options; argparse has no public way to ask."""
    return vars(parser)["_actions"]


def _described(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """What a parser says of each command that it knows."""
    (action,) = [each for each in _actions(parser) if isinstance(each.choices, dict)]
    return vars(action)["_choices_actions"]
