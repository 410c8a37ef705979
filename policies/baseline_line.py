"""The baseline's latency, block by block: the line that both variants are held to, and the blocks in which it was ill.

Rules:
1. A block is an hour, or as many as bring 250 of the baseline's requests. Its line is the median of the blocks'
   quantiles over the last 7 days, all stages and the shadow together; it is fixed when the block begins, and there from
   12 blocks on.
2. A block is void if too many of the baseline's own requests in it are beyond the line. Nothing else is looked at.
3. It belongs to the baseline, and outlives stages and candidates. Time is when units close, so that it is a function of
   the set of events, as evidence is.

Source: decisions-2, ruling 3. A threshold that is fixed before what it is held to keeps an e-process exact
(Waudby-Smith & Ramdas 2023, arXiv 2010.09686, section 3).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from policies import histograms
from policies.detectors import Recent
from policies.histograms import MICRO, Histogram
from policies.rules import DAY_S, Latency

REQUESTS = 250
"""Of the baseline, that a block has at least."""
BLOCKS = 12
"""Known blocks from which on there is a line."""
KNOWN_S = 7 * DAY_S
MOST = 200
"""Blocks that are remembered, however short they are."""
_FEW = 30
"""Requests of a new block from which it is judged by itself; until then it is as ill as the one before."""
_SPANS = (16, 64, 256)


@dataclass(frozen=True, slots=True)
class KnownBlock:
    """A block that is over."""

    began_at: float
    quantile_s: float
    is_void: bool


@dataclass(slots=True)
class BaselineLine:
    """One measure's blocks. Mutable: added to with every unit of the baseline that closes."""

    of: str = ""
    """What is measured (`Latency.what`); of another quantile or measure nothing is known."""
    known: list[KnownBlock] = field(default_factory=list[KnownBlock])
    began_at: float | None = None
    """Of the block that runs; None: none has begun."""
    line_s: float | None = None
    """Its line; None: too few blocks are known."""
    times: Histogram = field(default_factory=Histogram)
    requests: int = 0
    beyond: int = 0
    """Of them, beyond the line."""
    slow: Recent = field(default_factory=lambda: Recent((0.0,) * len(_SPANS), _SPANS))
    """How often the baseline's requests were beyond the line lately, as they came: what excuses the candidate's."""

    def turn(self, at: float, gate: Latency) -> KnownBlock | None:
        """Time is now `at`: begin a block if it is due. Returns the one that ended; None: none did."""
        block_s = gate.block_s or math.inf
        if self.of != gate.what:
            self._begin_anew(gate.what)
        if self.began_at is None:
            self.began_at = at
            return None
        blocks = math.floor((at - self.began_at) / block_s)
        if blocks < 1 or self.requests < REQUESTS:
            return None
        seen_s = histograms.latency_quantile(self.times, gate.quantile) or 0.0
        ended = KnownBlock(self.began_at, seen_s, self._is_ill(gate))
        self.began_at += blocks * block_s
        since = self.began_at - KNOWN_S
        self.known = [block for block in (*self.known, ended) if block.began_at >= since][-MOST:]
        enough = len(self.known) >= BLOCKS
        self.line_s = median(block.quantile_s for block in self.known) if enough else None
        self.times, self.requests, self.beyond = {}, 0, 0
        return ended

    def add(self, taken_s: list[float], at_least_s: Sequence[float] = ()) -> int:
        """Count a unit of the baseline; returns the share of its requests beyond the line, in millionths.

        `at_least_s`: requests whose apps hung up after so long. For the share each is beyond the line, as the
        candidate's are. The line is drawn by what is known: of them, by those that were surely beyond it.
        """
        surely = [seconds for seconds in at_least_s if beyond([seconds], self.line_s)]
        for seconds in (*taken_s, *surely):
            histograms.add(self.times, histograms.latency_bin(seconds))
        slow = beyond(taken_s, self.line_s)
        self.requests += len(taken_s) + len(surely)
        self.beyond += slow + len(surely)
        cut = len(at_least_s) if self.line_s is not None else 0
        return MICRO * (slow + cut) // (len(taken_s) + len(at_least_s))

    def felt(self, seconds: float) -> None:
        """Add one request of the baseline, as it came: the detector's limit comes from these."""
        if self.line_s is not None:
            self.slow = self.slow.after(failed=seconds > self.line_s)

    def limit_s(self, gate: Latency) -> float | None:
        """What the candidate's requests may take by the line of now; None: there is none for this gate."""
        if gate.block_s is None or gate.limit_s is not None or self.of != gate.what or self.line_s is None:
            return None
        return gate.ratio * self.line_s

    def is_void(self, gate: Latency) -> bool:
        """Whether the baseline is ill in the block that runs, as far as is known."""
        if self.requests < _FEW and self.known and self.known[-1].is_void:
            return True
        return self._is_ill(gate)

    def excuse(self, gate: Latency) -> float:
        """How much more often than usual the baseline's own requests are beyond the line now."""
        return max(0.0, self.slow.rate - (1 - gate.quantile))

    def _is_ill(self, gate: Latency) -> bool:
        return self.line_s is not None and self.beyond > void_share(gate.quantile) * self.requests

    def _begin_anew(self, of: str) -> None:
        self.of, self.known, self.began_at, self.line_s = of, [], None, None
        self.times, self.requests, self.beyond = {}, 0, 0
        self.slow = Recent((0.0,) * len(_SPANS), _SPANS)


def void_share(p: float) -> float:
    """The share of the baseline's requests beyond the line above which a block is void."""
    return min(5 * (1 - p), 1 - p / 2)


def beyond(taken_s: list[float], line_s: float | None) -> int:
    """How many took longer; without a line none did."""
    return 0 if line_s is None else sum(seconds > line_s for seconds in taken_s)
