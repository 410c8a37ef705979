import io
import json

import pytest

from gateway.log import Log
from gateway.supervisor.first_table import PATIENCE_S, await_table


async def events(*, written_s: float, there_s: float) -> list[str]:
    """What is said when the controller is ready, and a table there, so long after the start; each look comes late."""
    lines, now_s = io.StringIO(), 0.0

    def later() -> float:
        nonlocal now_s
        before, now_s = now_s, now_s + PATIENCE_S + 1
        return before

    await await_table(lambda: now_s > written_s, lambda: now_s > there_s, Log("test", stream=lines), later)
    return [json.loads(line)["event"] for line in lines.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("written_s", "there_s", "said"),
    [(0, 0, []), (99, 0, ["table.old"]), (99, 30, ["table.missing", "table.old"])],
)
async def test_the_first_table(written_s: float, there_s: float, said: list[str]) -> None:
    """A new one is waited for, an old one is taken when that takes too long, and none at all is told once."""
    assert await events(written_s=written_s, there_s=there_s) == said
