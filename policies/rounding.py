"""Where two values differ by more than processors do: the last digits of a logarithm or a sum depend on the machine.

The counts of evidence are integers, and the same everywhere. What is computed from them is the same bit for bit on one
machine; on another, numpy takes other instructions and adds in another order.
"""

import math
from collections.abc import Iterator
from typing import TypeAlias

import msgspec

_Value: TypeAlias = dict[str, "_Value"] | list["_Value"] | tuple["_Value", ...] | float | str | None

_CLOSE = 1e-9
"""Relative: a million times what machines were seen to differ by, and far below what any text shows."""


def differences(kept: object, made: object) -> list[str]:
    """The places at which two values of one type differ, as `results.gates[0].n`; empty: they are the same."""
    return [
        place.lstrip(".") or "all" for place in _differing(msgspec.to_builtins(kept), msgspec.to_builtins(made), "")
    ]


def _differing(kept: _Value, made: _Value, place: str) -> Iterator[str]:
    match kept, made:
        case dict(), dict():
            for name in kept | made:
                both = name in kept and name in made
                yield from _differing(kept[name], made[name], f"{place}.{name}") if both else (f"{place}.{name}",)
        case (list() | tuple(), list() | tuple()) if len(kept) == len(made):
            for at, (one, other) in enumerate(zip(kept, made, strict=True)):
                yield from _differing(one, other, f"{place}[{at}]")
        case float(), float():
            is_close = math.isclose(kept, made, rel_tol=_CLOSE, abs_tol=_CLOSE)
            if not is_close and not (math.isnan(kept) and math.isnan(made)):
                yield place
        case _:
            if kept != made:
                yield place
