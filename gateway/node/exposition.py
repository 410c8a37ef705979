"""What a process of this node last said in its metrics file, for commands that run beside it."""

import re
from pathlib import Path

from gateway.telemetry.metrics import PREFIX


def by_route(path: Path, gauge: str) -> dict[str, float]:
    """A gauge's values by route; empty: nothing was said."""
    try:
        text = path.read_text("utf-8")
    except OSError:
        return {}
    found = re.findall(rf'^{PREFIX}{gauge}{{route="([^"]*)"}} (\S+)$', text, re.MULTILINE)
    return {route: float(value) for route, value in found}
