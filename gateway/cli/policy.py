"""`crossfade policy`: what policy files say, would change and would have done. Needs no gateway that runs."""

import argparse
import importlib
from pathlib import Path
from typing import Protocol, cast

from gateway.cli.arguments import add_json, add_options, days

_POLICIES = "policy files or folders (default: the folder that the settings name)"


class Verb(Protocol):
    """A verb's module, loaded when it is asked for: what reads policies is heavy, and `--help` is not."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it. Returns the exit code."""
        ...


def configure(parser: argparse.ArgumentParser) -> None:
    """The verbs and their options."""
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    lint = verbs.add_parser("lint", help="what is wrong with policies, or worth a second look; 1 if one is refused")
    plan = verbs.add_parser("plan", help="what would change, and days to each stage; 2 if something would")
    plan.add_argument("--traffic", type=float, metavar="N", help="eligible conversations a day")
    told = verbs.add_parser("explain", help="what a policy means, default by default; or why a decision was made")
    told.add_argument("--replay", type=Path, metavar="FILE", help="decide again from a decision record, and compare")
    simulate = verbs.add_parser("simulate", help="what a policy would have done with recorded traffic, or with pairs")
    simulate.add_argument("policy", type=Path, metavar="POLICY", help="the policy file")
    simulate.add_argument("--pairs", metavar="FILE", help="compared pairs as JSON lines, also gzipped; `-` is stdin")
    simulate.add_argument(
        "--since", type=days, default=7.0, metavar="TIME", help="recorded time to take, as 12h (default: 7d)"
    )
    simulate.add_argument("--every", type=int, default=0, metavar="N", help="show the evidence after every N units too")
    simulate.add_argument("--shuffle", type=int, metavar="SEED", help="permute the units first")
    verbs.add_parser("schema", help="the JSON Schema of a policy file, for editors")
    for verb in (lint, plan, told):
        verb.add_argument("policies", nargs="*", type=Path, metavar="POLICY", help=_POLICIES)
    for verb in (lint, plan, told, simulate):
        add_options(verb)
        add_json(verb)


def run(arguments: argparse.Namespace) -> int:
    """Do it. Returns 0 when fine, 1 when a policy is refused; `plan` 2 when something would change."""
    module = "simulate" if arguments.verb == "simulate" else "files"
    return cast(Verb, importlib.import_module(f"gateway.cli.policy_{module}")).run(arguments)
