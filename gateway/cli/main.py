"""The command `crossfade`: finds the command group and hands over. Groups are imported when they are asked for."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Protocol, cast

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("gateway.cli.init", "write a crossfade.yaml and a policies folder to start from"),
    "serve": ("gateway.cli.serve", "serve: the data port, the admin port, and all that runs beside them"),
    "demo": ("gateway.cli.demo", "watch a whole migration, and a rollback, on this machine alone"),
    "doctor": ("gateway.cli.doctor", "check this machine, the settings and the upstreams, and say what to do"),
    "status": ("gateway.cli.status", "where each route stands, in one table"),
    "top": ("gateway.cli.top", "the same, over and over"),
    "explain": ("gateway.cli.explain", "why a rollout stands where it does, with every gate's numbers"),
    "promote": ("gateway.cli.operate", "an operator's word: take the next stage, or approve it"),
    "hold": ("gateway.cli.operate", "an operator's word: stay on this stage"),
    "resume": ("gateway.cli.operate", "an operator's word: go on, or begin again"),
    "rollback": ("gateway.cli.operate", "an operator's word: back to the baseline; needs no leader"),
    "routes": ("gateway.cli.routes", "traffic nobody has a policy for, by what it asks for and costs"),
    "records": ("gateway.cli.records", "what was recorded: tail, show, stats, forget"),
    "dataset": ("gateway.cli.dataset", "training files from the records: build, inspect, validate"),
    "rebuild": ("gateway.cli.rebuild", "the evidence made again from the records, and held against what is kept"),
    "replay": ("gateway.cli.replay", "ask a candidate what was recorded, compare, and say what would be decided"),
    "keys": ("gateway.cli.keys", "gateway keys: create, list, revoke"),
    "kill": ("gateway.cli.kill", "everything to the baseline, now; works with all else dead"),
    "policy": ("gateway.cli.policy", "policies: lint, plan, explain, simulate, schema"),
}
"""Name -> (module, one line of help). A group's module has `configure(parser)` and `run(arguments) -> exit code`."""


class Group(Protocol):
    """A command group's module."""

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the group's arguments."""
        ...

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it. Returns 0 when fine, 1 when refused or failing; bad usage exits with 2."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line. Data goes to stdout, talk to stderr."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="crossfade", description="Move an app's OpenAI traffic to your own model, as fast as the evidence allows."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (_, line) in COMMANDS.items():
        commands.add_parser(name, help=line, add_help=False)
    if not words or words[0] not in COMMANDS:
        parser.parse_args(words)  # prints the help, or what is wrong, and exits
    module, line = COMMANDS[words[0]]
    group = cast(Group, importlib.import_module(module))
    own = argparse.ArgumentParser(prog=f"crossfade {words[0]}", description=line)
    group.configure(own)
    return group.run(own.parse_args(words[1:]))


if __name__ == "__main__":
    sys.exit(main())
