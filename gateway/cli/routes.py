"""`crossfade routes`: traffic nobody has a policy for, by what it asks for and what it costs: where to begin."""

import argparse

from gateway.cli.arguments import add_json, add_options, hand_over


def configure(parser: argparse.ArgumentParser) -> None:
    """The options of `routes`."""
    parser.add_argument("-n", "--lines", type=int, default=20, help="how many kinds of request (default: 20)")
    parser.add_argument("--all", action="store_true", help="traffic that has a route, too")
    add_options(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it. Returns 0 when fine, 1 when nothing can be read."""
    return hand_over("gateway.cli.routes_verbs", arguments)
