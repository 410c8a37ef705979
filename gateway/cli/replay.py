"""`crossfade replay`: the shadow's comparison over recorded traffic, before any live one."""

import argparse
import importlib
from pathlib import Path
from typing import Protocol, cast

from gateway.cli.arguments import add_json, add_options, days


class Run(Protocol):
    """What does it: heavier than `--help` may be."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it. Returns the exit code."""
        ...


def configure(parser: argparse.ArgumentParser) -> None:
    """The options of `replay`."""
    parser.add_argument("--route", required=True, metavar="R", help="whose traffic; a policy must say what to compare")
    parser.add_argument("--policy", type=Path, metavar="FILE", help="its policy (default: the one in the folder)")
    parser.add_argument("--since", type=days, default=7.0, metavar="AGE", help="recorded days to take (default: 7d)")
    parser.add_argument("--limit", type=int, default=1000, metavar="N", help="exchanges at most, drawn by conversation")
    parser.add_argument(
        "--budget", type=float, metavar="USD", help="to spend at most (default: the policy's for a day)"
    )
    parser.add_argument("--within", default="1h", metavar="TIME", help="ask nothing new after so long (default: 1h)")
    parser.add_argument("--in-flight", type=int, metavar="N", help="calls at once (default: the policy's)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where comparisons go: .jsonl, or .parquet")
    add_options(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it. Returns 0 when something was compared, 1 when refused or failing."""
    return cast(Run, importlib.import_module("gateway.cli.replay_run")).run(arguments)
