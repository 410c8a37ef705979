"""How people write amounts in the settings, and what they mean: durations, sizes, shares, addresses."""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator

PPM = 1_000_000
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12} | {
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z%]+)")


def seconds(text: object) -> float:
    """What a duration means: `30s`, `1.5h`, `90d`.

    Raises:
        ValueError: no duration; a bare number has no unit and is none either.
    """
    return _amount(text, _SECONDS, "a duration is a number and a unit: 500ms, 30s, 10m, 1h, 90d")


def size_bytes(text: object) -> int:
    """What a size means: `8MiB`, `10GB`.

    Raises:
        ValueError: no size; a bare number has no unit and is none either.
    """
    return int(_amount(text, _BYTES, "a size is a number and a unit: 512KiB, 8MiB, 10GiB, or 10GB in powers of ten"))


def share_ppm(text: object) -> int:
    """What a share means, in parts per million: `100%`, `0.5%`.

    Raises:
        ValueError: no share, or more than all.
    """
    ppm = round(_amount(text, {"%": PPM / 100}, "a share is a percentage: 100%, 5%, 0.5%"))
    if ppm > PPM:
        raise ValueError("a share is at most 100%")
    return ppm


def _amount(text: object, units: dict[str, float] | dict[str, int], rule: str) -> float:
    match = _AMOUNT.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None or match[2] not in units:
        raise ValueError(rule)
    return float(match[1]) * units[match[2]]


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")


def address(text: object) -> Address:
    """What `host:port` or `[v6]:port` means.

    Raises:
        ValueError: no such thing.
    """
    if isinstance(text, Address):
        return text
    host, colon, port = text.rpartition(":") if isinstance(text, str) else ("", "", "")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and host and port.isdecimal() and int(port) < 65536):
        raise ValueError("an address is host:port: 127.0.0.1:8080, 0.0.0.0:8080, [::1]:8080")
    return Address(host, int(port))


Seconds = Annotated[float, BeforeValidator(seconds)]
Bytes = Annotated[int, BeforeValidator(size_bytes)]
SharePpm = Annotated[int, BeforeValidator(share_ppm)]
Listen = Annotated[Address, BeforeValidator(address)]
