"""`crossfade dataset`: training files from the records: build, inspect, validate."""

import argparse
import importlib
from pathlib import Path
from typing import Protocol, cast

from gateway.cli.arguments import add_json, add_options
from records.dataset.formats import FORMATS


class Verbs(Protocol):
    """What does it: heavier than `--help` may be."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it. Returns the exit code."""
        ...


def configure(parser: argparse.ArgumentParser) -> None:
    """The subcommands."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    build = actions.add_parser("build", help="write a route's records as training files")
    build.add_argument("--route", required=True, help="whose exchanges")
    build.add_argument("--format", required=True, choices=FORMATS, dest="shape", help="whose trainer reads them")
    build.add_argument("--out", required=True, type=Path, metavar="DIR", help="a folder per dataset is made in it")
    build.add_argument("--validation", default="10%", metavar="SHARE", help="of the conversations (default: 10%%)")
    build.add_argument("--salt", default="split", help="another one splits otherwise (default: split)")
    add_options(build)
    inspect = actions.add_parser("inspect", help="what a dataset was made of")
    inspect.add_argument("folder", type=Path, metavar="DIR")
    validate = actions.add_parser("validate", help="whether its trainer takes it; faults as file:line")
    validate.add_argument("path", type=Path, metavar="PATH", help="a dataset's folder, or one file")
    validate.add_argument("--format", choices=FORMATS, dest="shape", help="of a file (default: the manifest's)")
    for each in (build, inspect, validate):
        add_json(each)


def run(arguments: argparse.Namespace) -> int:
    """Do it. Returns 0 when fine, 1 when refused or failing."""
    return cast(Verbs, importlib.import_module("gateway.cli.dataset_verbs")).run(arguments)
