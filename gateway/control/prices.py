"""Prices that an operator states, as the recorder and the shadow are handed them, and what hours come to per answer."""

from collections.abc import Mapping
from pathlib import Path

import msgspec


class PriceOverride(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an upstream's model costs, where the book does not know it or is wrong. USD per million tokens."""

    upstream: str
    model: str = ""
    """Empty: every model of the upstream."""
    prompt_usd: float = 0.0
    completion_usd: float = 0.0
    cached_usd: float | None = None
    """None: as the prompt."""
    cache_write_usd: float | None = None


def usd_per_answer_text(found: Mapping[str, float | None]) -> bytes:
    """The file by which the recorder tells what an answer of servers that are paid by the hour costs of late."""
    return msgspec.json.encode(found)


def usd_per_answer(path: Path) -> dict[str, float | None]:
    """What the recorder told; who is not there is unknown."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, float | None])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return {}
