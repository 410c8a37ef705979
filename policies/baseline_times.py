"""How long a route's baseline takes: whole numbers over a bounded grid, and the candidate's limits made of them.

It belongs to the route's baseline and outlives every candidate. The leader counts; what it makes of the counts
(`BaselineP99`) travels in the stored rollout, so that every node publishes the same limits.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from policies import histograms
from policies.histograms import Histogram
from policies.routing import CandidateLimits, Variant
from policies.rules import BaselineP99

LEAST = 50
"""Answers from which their slowest hundredth is taken for known."""
MOST = 20_000
"""Answers that are counted; then each counts half, so that the newer ones speak louder."""
SLOWER = 2.0
"""How many times as long as the baseline's slowest hundredth a candidate may take."""
STREAM_SLOWER = 4.0
"""How many times as long as the baseline's a whole streamed answer may take: once it has begun, ending it costs an app
its answer, and a longer one is no slower one."""
STREAM_FLOOR_S = 120.0
"""No stream is cut off sooner, however short the baseline's are, but for a policy's own limit."""
TRIAL_S = 30.0
"""A suspended candidate is waited for at least so long: what is late in the background is slow, and has not failed."""
FLOOR_S = 2.0
"""No limit is shorter, however fast the baseline is, but for a policy's own."""
SENT_BYTES = 64
"""Of a stream, to the app for one byte of what it says: a token of four or five bytes in an event of three hundred."""
SLOWEST_BYTE_S = 1 / 16
"""A stream that says a byte in less is never too slow, however fast the baseline is: three or four tokens a second, and
a reader takes five."""


@dataclass(slots=True)
class BaselineTimes:
    """Counts by latency bin. Mutable: added to with every good answer of the baseline."""

    first_tokens: Histogram = field(default_factory=Histogram)
    """Of streams."""
    stream_totals: Histogram = field(default_factory=Histogram)
    stream_paces: Histogram = field(default_factory=Histogram)
    """Seconds that 1,024 bytes of a stream took on average, from the first byte to the last."""
    wholes: Histogram = field(default_factory=Histogram)

    def observe(self, first_s: float, total_s: float, *, is_stream: bool, sent_bytes: int = 0) -> None:
        """Add one good answer. `sent_bytes`: of its body; 0: not known."""
        if is_stream:
            _count(self.first_tokens, first_s)
            _count(self.stream_totals, total_s)
            if sent_bytes:
                _count(self.stream_paces, (total_s - first_s) * 1024 / sent_bytes)
        else:
            _count(self.wholes, total_s)

    def p99(self) -> BaselineP99:
        """The slowest hundredth of each, where enough is known."""
        kinds = (self.first_tokens, self.wholes, self.stream_totals, self.stream_paces)
        return BaselineP99(*(_quantile((kind,), 0.99, LEAST) for kind in kinds))

    def quantile(self, measure: str, p: float, least: int) -> float | None:
        """A quantile of `ttft` or `total` over streams and whole answers together, from `least` answers on."""
        streams = self.first_tokens if measure == "ttft" else self.stream_totals
        return _quantile((streams, self.wholes), p, least)


def limits(candidate: Variant, known: BaselineP99) -> CandidateLimits:
    """How long this candidate may take, whether its policy says so or not: the shortest of all that is said.

    A policy's `first_byte` holds for the first token of a stream and, where nothing is streamed, for the whole answer:
    there is no earlier byte of it that an app could use. `total` holds for whole answers and for streams.

    A stream that has begun is not cut off for being slow, but it has failed where it lasts longer than the baseline's
    and says what it says far slower: a long answer at a pace that can be read never has.
    """
    plain = CandidateLimits()
    first_token_s = _allowed(known.first_token_s, plain.first_token_s)
    whole_s = _allowed(known.whole_s, plain.whole_s)
    return CandidateLimits(
        first_token_s=_least(first_token_s, candidate.first_byte_s),
        whole_s=_least(whole_s, candidate.first_byte_s, candidate.total_s),
        stream_s=_least(_stream_s(known.stream_s, plain.stream_s), candidate.total_s),
        patience_first_token_s=known.first_token_s,
        patience_whole_s=known.whole_s,
        patience_stream_s=None if known.stream_s is None else _allowed(known.stream_s, 0.0),
        patience_byte_s=None if known.kib_s is None else _byte_s(known.kib_s),
    )


def patience_s(known: BaselineP99) -> float:
    """An app that leaves later than this has waited for longer than the baseline makes it, whatever it asked for."""
    return max(FLOOR_S, known.first_token_s or 0.0, known.whole_s or 0.0)


def trial_limit_s(candidate: Variant, known: BaselineP99) -> float:
    """How long a suspended candidate is waited for within its trial.

    No shorter than where it served, once that is known; one that hangs is to be known within the trial, so no longer.
    """
    served = limits(candidate, known)
    return max(TRIAL_S, served.first_token_s, 0.0 if known.whole_s is None else served.whole_s)


def _allowed(p99_s: float | None, otherwise_s: float) -> float:
    return otherwise_s if p99_s is None else round(max(FLOOR_S, SLOWER * p99_s), 3)


def _stream_s(p99_s: float | None, otherwise_s: float) -> float:
    return otherwise_s if p99_s is None else round(max(STREAM_FLOOR_S, STREAM_SLOWER * p99_s), 3)


def _byte_s(kib_s: float) -> float:
    return round(max(SLOWEST_BYTE_S, STREAM_SLOWER * kib_s * SENT_BYTES / 1024), 4)


def _least(limit_s: float, *said: float | None) -> float:
    return min([limit_s, *(each for each in said if each is not None)])


def _count(into: Histogram, seconds: float) -> None:
    histograms.add(into, histograms.latency_bin(seconds))
    if sum(into.values()) > MOST:
        halved = {index: count // 2 for index, count in into.items() if count > 1}
        into.clear()
        into.update(halved)


def _quantile(several: Iterable[Histogram], p: float, least: int) -> float | None:
    merged: Histogram = {}
    for each in several:
        histograms.merge(merged, each)
    found = histograms.latency_quantile(merged, p) if sum(merged.values()) >= least else None
    return None if found is None else round(found, 3)
