"""What rows are made by, as a process that makes some is told at its start; `gateway.control.row_maker` goes by it."""

import msgspec

from gateway.control.prices import PriceOverride
from records.gpu_hours import HourlyPrice


class RowInputs(msgspec.Struct, frozen=True, kw_only=True):
    """Part of the boots of recorder, shadow and exporter; commands make one of the settings."""

    pepper: str
    """Hex, 32 bytes: users are kept as HMACs under it."""
    prices: tuple[PriceOverride, ...] = ()
    """What the book does not know, or has wrong."""
    hourly: tuple[HourlyPrice, ...] = ()
    """Upstreams that are paid by the hour."""
    redact: tuple[str, ...] = ("email", "phone", "card", "iban", "secret")
    """What is replaced: `capture.redact`."""
    sample_ppm: int = 1_000_000
    """Share of exchanges whose bodies are kept; all keep their row."""
    honor_store_false: bool = True
    """Whether `store: false` keeps an exchange out of datasets."""
