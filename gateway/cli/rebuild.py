"""`crossfade rebuild`: the evidence of each route, made again from the records and held against what is kept."""

import argparse
import importlib
from typing import Protocol, cast

from gateway.cli.arguments import add_json, add_options


class Verb(Protocol):
    """What does it: heavier than `--help` may be."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it. Returns the exit code."""
        ...


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("route", nargs="?", metavar="ROUTE", help="default: every route that has a rollout")
    parser.add_argument("--write", action="store_true", help="keep what was made again; only while nobody leads")
    add_options(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it. Returns 0 when everything agrees or was written, else 1."""
    return cast(Verb, importlib.import_module("gateway.cli.rebuild_verb")).run(arguments)
