"""`crossfade demo`: a migration from the first shadow to 100 % and back in two minutes, on this machine alone."""

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path

from gateway import clock
from gateway.cli.failure import INTERRUPTED
from gateway.cli.output import EXIT_CODE, OutputClosedError
from gateway.demo import story
from gateway.demo.sandbox import HouseError
from gateway.demo.screen import Paint, Terminal
from gateway.demo.story import StuckError

INTRO = """\
 An app sorts support tickets with a frontier model; a fine-tuned model of its own wants the work.
 Both are replayed here, at a tenth of real times: no key, no network. The gateway between them is real.
 Shortened: holds 3 s (1 h, 24 h), a conversation's end 1 s (30 m), latency's warm-up 20 (100).
 On a busy machine the app sends less, and a first token may take 3 s: that is not held against the candidate.
 Not shortened: margins, alpha, the least number of conversations. Ctrl-C leaves nothing behind.
"""


def run(arguments: argparse.Namespace) -> int:
    """Play it. 1: it did not come to its end."""
    live = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    terminal = Terminal(sys.stdout, live=live, width=shutil.get_terminal_size().columns)
    paint = Paint(live and "NO_COLOR" not in os.environ)
    terminal.say(INTRO)
    code, started_s = 0, clock.monotonic()
    with tempfile.TemporaryDirectory(prefix="crossfade-demo-") as folder:
        played = story.run(Path(folder), pace=arguments.pace, terminal=terminal, paint=paint, now=clock.monotonic)
        try:
            asyncio.run(played)
        except* (StuckError, HouseError) as errors:
            terminal.say("\n".join(str(error) for error in errors.exceptions))
            code = 1
        except* OutputClosedError:
            code = EXIT_CODE  # whoever read it has seen enough
        except* KeyboardInterrupt:
            terminal.say(" ended early")
            code = INTERRUPTED
    if code == 0:
        terminal.say(f"\n That was a whole migration in {clock.monotonic() - started_s:.0f} s. Yours: crossfade init")
    return code
