"""How far the records are behind what was answered, from what the recorder last said of itself."""

from gateway.node.datadir import DataDir
from gateway.telemetry.metrics import PREFIX


def journal_lag_s(data: DataDir, *, now: float) -> float | None:
    """What the recorder said last, and how long ago it said so; None: none has said yet."""
    path, series = data.exposition("recorder"), f"{PREFIX}journal_lag_seconds "
    try:
        text, at = path.read_text("utf-8"), path.stat().st_mtime
    except OSError:
        return None
    found = [line.removeprefix(series) for line in text.splitlines() if line.startswith(series)]
    return float(found[0]) + max(0.0, now - at) if found else None
