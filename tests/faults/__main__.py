"""The faults at full size, with their figures: `python -m tests.faults replay|kills|hangups|... [--count N]`.

Each prints what it found and exits 1 if a promise broke. The suite runs the same functions at a smaller size.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.faults.replay import corpus, own_cases, replay


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _replay(directory: Path, count: int) -> bool:
    recorded = asyncio.run(replay(corpus(), directory / "recorded"))
    _say("recorded requests of the official SDK\n" + recorded.report())
    own = asyncio.run(replay(own_cases() * max(1, count), directory / "own"))
    _say("cases of our own\n" + own.report())
    return all(found.same == found.captured == found.requests for found in (recorded, own))


FAULTS: dict[str, tuple[Callable[[Path, int], bool], int]] = {
    "replay": (_replay, 10),
}
"""By name: what runs it, and the issue's count."""


def main() -> int:
    """Run one fault; 0 if every promise held."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("fault", choices=sorted(FAULTS))
    parser.add_argument("--count", type=int, help="how often; default: the figure that is published")
    arguments = parser.parse_args()
    run, count = FAULTS[arguments.fault]
    with tempfile.TemporaryDirectory(prefix="crossfade-faults-") as directory:
        held = run(Path(directory), arguments.count or count)
    _say("held" if held else "BROKEN")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
