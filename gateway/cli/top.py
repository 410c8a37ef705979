"""`crossfade top`: what `crossfade status` says, over and over, until it is interrupted."""

import argparse
import sys
import time

from gateway.cli import status

CLEAR = "\x1b[H\x1b[2J"


def run(arguments: argparse.Namespace) -> int:
    """Show it until interrupted, or as often as it is asked for: then what the last look was."""
    shown = 0
    while True:
        if sys.stdout.isatty():
            print(CLEAR, end="")
        code = status.run(arguments)
        sys.stdout.flush()
        shown += 1
        if shown == arguments.times:
            return code
        time.sleep(max(0.2, arguments.every))  # a command at a terminal: nothing else runs here
