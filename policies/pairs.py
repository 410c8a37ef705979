"""Compared pairs as JSON lines: the format that `crossfade policy simulate --pairs` reads."""

import msgspec

from policies.events import PairEvent
from policies.guards import describe


class PairError(Exception):
    """A line is not a compared pair; the message says which part, and what to write instead."""


class _Pair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    unit: str
    error_baseline: bool
    error_candidate: bool
    q: float | None = None
    stage_hint: str | None = None
    ttft_baseline_s: float | None = None
    ttft_candidate_s: float | None = None
    total_baseline_s: float | None = None
    total_candidate_s: float | None = None
    cost_baseline_usd: float | None = None
    cost_candidate_usd: float | None = None
    valid_candidate: bool | None = None
    output_baseline: str | None = None
    output_candidate: str | None = None
    agree: float | None = None
    agree_again: float | None = None
    label: float | None = None
    at: float | None = None


_PAIR = msgspec.json.Decoder(_Pair)


def read(line: bytes) -> tuple[PairEvent, bool]:
    """The pair a line holds, and whether it says when it was.

    Raises:
        PairError: what is wrong with it, and what a pair looks like.
    """
    try:
        pair = _PAIR.decode(line)
    except msgspec.MsgspecError as error:
        raise PairError(
            f"not a compared pair: {error}; hint: one JSON object per line, with unit, q, error_*"
        ) from error
    for name, score in (("q", pair.q), ("label", pair.label)):
        if score is not None and not -1 <= score <= 1:
            raise PairError(f"{name} is {score:g}; hint: the candidate's score less the baseline's, within [-1, 1]")
    for name, likeness in (("agree", pair.agree), ("agree_again", pair.agree_again)):
        if likeness is not None and not 0 <= likeness <= 1:
            raise PairError(f"{name} is {likeness:g}; hint: a likeness within [0, 1]")
    event = PairEvent(
        pair.unit, pair.at or 0.0, q=pair.q,
        error_candidate=pair.error_candidate, error_baseline=pair.error_baseline, valid_candidate=pair.valid_candidate,
        ttft_candidate_s=pair.ttft_candidate_s, ttft_baseline_s=pair.ttft_baseline_s,
        total_candidate_s=pair.total_candidate_s, total_baseline_s=pair.total_baseline_s,
        cost_candidate_usd=pair.cost_candidate_usd, cost_baseline_usd=pair.cost_baseline_usd,
        output_candidate=None if pair.output_candidate is None else describe(pair.output_candidate),
        output_baseline=None if pair.output_baseline is None else describe(pair.output_baseline),
        agree=pair.agree, agree_again=pair.agree_again, label=pair.label,
    )  # fmt: skip
    return event, pair.at is not None
