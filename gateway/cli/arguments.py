"""Options that commands have in common. Only argparse: `--help` loads nothing else."""

import argparse
import importlib
from typing import Protocol, cast


class Verbs(Protocol):
    """A module that does what a command is asked: heavier than `--help` may be."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it. Returns the exit code."""
        ...


def hand_over(module: str, arguments: argparse.Namespace) -> int:
    """Load what does it, and let it."""
    return cast(Verbs, importlib.import_module(module)).run(arguments)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which Crossfade a command is about."""
    parser.add_argument("--config", metavar="FILE", help="the settings (default: crossfade.yaml here, if there is one)")
    parser.add_argument("--data", metavar="DIR", help="the data directory (default: what the settings say)")


def add_json(parser: argparse.ArgumentParser) -> None:
    """The option of every command that reads."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def days(text: str) -> float:
    """How many days `7d` or `12h` are.

    Raises:
        ArgumentTypeError: it is neither.
    """
    number, unit = text[:-1], text[-1:]
    try:
        return float(number) / {"d": 1, "h": 24}[unit]
    except (KeyError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time. hint: 7d, or 12h") from error
