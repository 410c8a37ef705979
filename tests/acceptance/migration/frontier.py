"""A frontier's stand-in for the migration: right as often as a real one is on these messages, and as slow.

    python -m tests.acceptance.migration.frontier [RIGHT [INTENTS [MEDIAN_S]]]

Prints its port and serves until stdin ends. What it says of a message and how long it takes hang on the message alone.
"""

import asyncio
import json
import sys

from gateway.demo.models import ScriptedAnswer, log_normal_s
from gateway.demo.tickets import lot
from tests.acceptance.migration.models import INTENTS, TRAIN, first_intents, messages
from tests.rooms.model_process import serve_until_stdin_ends

RIGHT = 0.83
"""As is reported of GPT-4 with a few examples of each intent. Source: Loukas et al. 2023 (arXiv 2311.06102)."""
MEDIAN_S = 0.25
SPREAD = 0.35


def frontier(
    labels: dict[str, str], text: str, right: float = RIGHT, median_s: float = MEDIAN_S
) -> ScriptedAnswer | None:
    """Its answer to one message: the label in so many of all messages."""
    intent = labels.get(text)
    if intent is None:
        return None
    if lot("frontier", text, "right") >= right:
        others = sorted(set(labels.values()) - {intent})
        intent = others[int(lot("frontier", text, "which") * len(others))]
    taken_s = log_normal_s(lot("frontier", text, "time"), median_s=median_s, spread=SPREAD)
    return ScriptedAnswer(json.dumps({"intent": intent}), taken_s)


async def main(right: float, intents: int, median_s: float) -> None:
    """Serve until stdin ends; it knows, and errs among, the first intents alone."""
    known = first_intents(intents)
    labels = {text: intent for text, intent in [*messages(TRAIN), *messages()] if intent in known}
    await serve_until_stdin_ends(lambda text: frontier(labels, text, right, median_s))


if __name__ == "__main__":
    given = sys.argv[1:]
    asyncio.run(
        main(
            float(given[0]) if given else RIGHT,
            int(given[1]) if given[1:] else INTENTS,
            float(given[2]) if given[2:] else MEDIAN_S,
        )
    )
