"""Detectors: what notices within a few requests that a candidate has turned bad.

Each is a Shiryaev-Roberts e-detector over a grid of bets. While every request's badness is expected to stay at or
under the tolerance, the expected time to a false alarm is at least the height at which it alarms.

Its state depends on the order of requests: the leader updates it in the order it records, and a rebuild replays that.

Source: Shin, Ramdas & Rinaldo 2023, "E-detectors" (arXiv 2203.03532), section 3 and definition 2.7.
"""

import math
from dataclasses import dataclass

BETS = tuple(0.01 * 90 ** (j / 11) for j in range(12))
_CEILING = 1e300
_SPANS = (4, 16, 64, 256)


@dataclass(frozen=True, slots=True)
class Detector:
    """One stream's statistic. A new value after each request."""

    tolerance: float
    """The most badness a healthy candidate shows on average; above `lo`."""
    lo: float = 0.0
    """The least badness there is."""
    heights: tuple[float, ...] = (0.0,) * len(BETS)
    peak: float = 0.0
    n: int = 0

    @property
    def height(self) -> float:
        """The mixture's height now."""
        return sum(self.heights) / len(self.heights)

    @property
    def log10(self) -> float:
        """`height` as a power of ten, 0 while it is below one."""
        return math.log10(max(1.0, self.height))

    def after(self, badness: float, *, excuse: float = 0.0, weight: float = 1.0) -> "Detector":
        """The detector after one more request.

        `excuse` widens the tolerance for this request alone, by what is known before it: how the baseline fares.
        `weight`, at most 1, is the exponent of what the request says: one of many that are alike says less.
        """
        allowed = self.tolerance + excuse
        edge = (badness - allowed) / (allowed - self.lo)
        grown = [1 + bet * edge for bet in BETS]
        if weight != 1.0:
            grown = [growth**weight for growth in grown]
        rose = [growth * (height + 1) for growth, height in zip(grown, self.heights, strict=True)]
        heights = tuple(rose) if max(rose) <= _CEILING else tuple(min(height, _CEILING) for height in rose)
        peak = max(self.peak, sum(heights) / len(heights))
        return Detector(self.tolerance, self.lo, heights, peak, self.n + 1)


@dataclass(frozen=True, slots=True)
class Recent:
    """How often the baseline failed lately, so that a common outage does not count against the candidate."""

    rates: tuple[float, ...] = (0.0,) * len(_SPANS)
    """Moving averages over the last 4, 16, 64 and 256 requests, exponentially weighted."""
    spans: tuple[int, ...] = _SPANS

    def after(self, *, failed: bool) -> "Recent":
        """The detector after one more outcome."""
        rates = tuple(rate + (failed - rate) / span for rate, span in zip(self.rates, self.spans, strict=True))
        return Recent(rates, self.spans)

    @property
    def rate(self) -> float:
        """The worst of the averages, each a standard error above itself."""
        return min(1.0, max(rate + math.sqrt(rate / span) for rate, span in zip(self.rates, self.spans, strict=True)))
