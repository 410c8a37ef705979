"""A real migration, on this machine: `make migration` prints its story.

    python -m tests.acceptance.migration [--in-flight N] [--act SECONDS]

A frontier's stand-in, a model fine-tuned here on a real vLLM, the official SDK's conversations, and the gateway that
moves them: shadow, 1, 5, 25, 50, 100 %; a worse revision rejected; a bad server rolled back; a dead one not noticed.
1: an act did not end as it should. Skips, saying so, where the messages or vLLM are not.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from gateway import clock
from gateway.control.state.sqlite import SqliteState
from gateway.demo.watch import DecisionWatch
from tests.acceptance.migration.models import messages, missing, models
from tests.acceptance.migration.story import Story
from tests.acceptance.migration.traffic import Traffic
from tests.acceptance.migration.watching import StuckError
from tests.acceptance.migration.world import World, world


async def _play(found: World, arguments: argparse.Namespace) -> Story:
    """The story, with the app's traffic beside it as long as it lasts."""
    traffic = Traffic(
        f"http://127.0.0.1:{found.serving.port}/v1", [text for text, _ in messages()], arguments.in_flight
    )
    watch = DecisionWatch(SqliteState(found.serving.data / "state.db"), "banking")
    story = Story(traffic, watch, arguments.act, world=found)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(traffic.run())
        try:
            await story.play()
        except StuckError as error:
            story.rows.append(("STUCK", str(error)))
        running.cancel()
    return story


def main() -> int:
    """Play it and print what it came to."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--in-flight", type=int, default=32, help="conversations under way")
    parser.add_argument("--act", type=float, default=1200.0, help="the longest wait for one thing, in seconds")
    arguments = parser.parse_args()
    if (told := missing()) is not None:
        sys.stdout.write(f"skipped: {told}\n")
        return 0
    started_s = clock.monotonic()
    trained = models()
    sys.stdout.write(f"models {'trained in' if trained.cold else 'found in'} {trained.seconds:.1f} s: ")
    sys.stdout.write(f"{json.dumps(trained.report)}\n")
    with tempfile.TemporaryDirectory(prefix="crossfade-migration-") as folder, world(Path(folder), trained) as found:
        story = asyncio.run(_play(found, arguments))
    for what, came in story.rows:
        sys.stdout.write(f"{what:<20} {came}\n")
    sys.stdout.write(f"{'all of it':<20} {clock.monotonic() - started_s:.0f} s, {story.traffic.requests:,} requests\n")
    return int(any(what == "STUCK" for what, _ in story.rows))


if __name__ == "__main__":
    sys.exit(main())
