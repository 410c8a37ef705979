"""Prices that an operator states, as the recorder and the shadow are handed them."""

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
