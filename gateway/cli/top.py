"""`crossfade top`: what `crossfade status` says, over and over, until it is interrupted."""

import argparse
import contextlib
import sys
import time

from gateway.cli import status
from gateway.cli.arguments import add_options

CLEAR = "\x1b[H\x1b[2J"


def configure(parser: argparse.ArgumentParser) -> None:
    """The options of `top`."""
    parser.add_argument("route", nargs="?", metavar="ROUTE", help="only this one")
    parser.add_argument("--every", type=float, default=2.0, metavar="SECONDS", help="how often (default: 2)")
    parser.add_argument("--times", type=int, metavar="N", help="end after N looks")
    add_options(parser)
    parser.set_defaults(json=False)


def run(arguments: argparse.Namespace) -> int:
    """Show it until interrupted; what the last look was."""
    shown, code = 0, 0
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            if sys.stdout.isatty():
                print(CLEAR, end="")
            code = status.run(arguments)
            sys.stdout.flush()
            shown += 1
            if shown == arguments.times:
                break
            time.sleep(max(0.2, arguments.every))  # a command at a terminal: nothing else runs here
    return code
