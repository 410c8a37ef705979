"""`crossfade records`: what was recorded: tail, show, stats, forget."""

import argparse
import importlib
from typing import Protocol, cast

from gateway.cli.arguments import add_json, add_options


class Verbs(Protocol):
    """What does it: heavier than `--help` may be."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it. Returns the exit code."""
        ...


def configure(parser: argparse.ArgumentParser) -> None:
    """The subcommands."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    tail = actions.add_parser("tail", help="the last exchanges")
    tail.add_argument("-n", "--lines", type=int, default=20, help="how many (default: 20)")
    tail.add_argument("--route", help="of this route only")
    show = actions.add_parser("show", help="one exchange, with its bodies and feedback")
    show.add_argument("id", help="its x-crossfade-request-id")
    stats = actions.add_parser("stats", help="what there is, by route and variant")
    forget = actions.add_parser("forget", help="remove what is recorded of somebody, and record nothing more")
    who = forget.add_mutually_exclusive_group(required=True)
    who.add_argument("--user", help="as apps send it: `user` or `safety_identifier`")
    who.add_argument("--key", help="a key's id, as the records show it")
    who.add_argument("--conversation", help="a conversation's id, as the records show it")
    who.add_argument("--id", help="one exchange")
    for each in (tail, show, stats, forget):
        add_options(each)
        add_json(each)


def run(arguments: argparse.Namespace) -> int:
    """Do it. Returns 0 when fine, 1 when refused or failing."""
    return cast(Verbs, importlib.import_module("gateway.cli.records_verbs")).run(arguments)
