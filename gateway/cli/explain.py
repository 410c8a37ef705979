"""`crossfade explain ROUTE`: what was last found of a rollout, with every gate's numbers, in the decision's words."""

import argparse

from gateway.cli.arguments import add_json, add_options, hand_over


def configure(parser: argparse.ArgumentParser) -> None:
    """The options of `explain`."""
    parser.add_argument("route", metavar="ROUTE", help="the rollout to explain")
    parser.add_argument("--history", type=int, metavar="N", help="its last N decisions instead, newest first")
    add_options(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it. Returns 0 when it was explained, 1 when there is nothing to explain."""
    return hand_over("gateway.cli.explain_verbs", arguments)
