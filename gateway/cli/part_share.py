"""What each part of a work may spend and how long it may ask, where many machines ask at once (`--engine ray`)."""

from dataclasses import dataclass
from typing import Self

from gateway import clock


@dataclass(frozen=True, slots=True)
class PartShare:
    """An equal share for each: no part knows what the others have spent."""

    ends_at: float
    """Unix seconds: machines share no monotonic clock."""
    budget_usd: float | None
    in_flight: int

    @classmethod
    def of(cls, until_s: float, budget_usd: float | None, in_flight: int, *, parts: int, at_once: int) -> Self:
        """That of one of so many parts, of which so many are done at once. `until_s`: monotonic, of this machine."""
        return cls(
            ends_at=clock.wall() + until_s - clock.monotonic(),
            budget_usd=None if budget_usd is None else budget_usd / max(1, parts),
            in_flight=max(1, in_flight // max(1, min(at_once, parts))),
        )

    def until_s(self) -> float:
        """Its end on the monotonic clock of the machine that asks."""
        return clock.monotonic() + self.ends_at - clock.wall()
