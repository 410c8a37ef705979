"""`crossfade promote|hold|resume|rollback ROUTE`: an operator's word to a rollout, and what became of it."""

import argparse

from gateway.cli.arguments import add_json, add_options, hand_over

DOES = {
    "promote": "take the next stage without waiting for its certificates, or approve it",
    "hold": "stay where it is until told otherwise",
    "resume": "go on, or begin again after a rollback or rejection",
    "rollback": "go back to the baseline at once; it is done here if no leader answers",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """The options of the four verbs; which one it is stands in the program's name."""
    verb = parser.prog.rpartition(" ")[2]
    parser.add_argument("route", metavar="ROUTE", help=f"the rollout that should {DOES[verb]}")
    parser.add_argument("--reason", required=True, help="for the decision, the audit log and whoever reads them")
    parser.set_defaults(verb=verb)
    add_options(parser)
    add_json(parser)


def run(arguments: argparse.Namespace) -> int:
    """Do it. Returns 0 when it was done, 1 when it was not."""
    return hand_over("gateway.cli.operate_verbs", arguments)
