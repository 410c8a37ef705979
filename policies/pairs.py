"""Compared pairs as JSON lines: the format that `crossfade policy simulate --pairs` reads."""

from typing import NamedTuple

import msgspec

from policies.events import AlsoScored, PairEvent
from policies.guards import describe


class PairError(Exception):
    """A line is not a compared pair; the message says which part, and what to write instead."""


class _Pair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    unit: str
    error_baseline: bool
    error_candidate: bool
    q: float | None = None
    p_sample: float = 1.0
    abstained: bool = False
    missing: bool = False
    user: str = ""
    prompt_sha: str = ""
    stage_hint: str | None = None
    ttft_baseline_s: float | None = None
    ttft_candidate_s: float | None = None
    total_baseline_s: float | None = None
    total_candidate_s: float | None = None
    cost_baseline_usd: float | None = None
    cost_candidate_usd: float | None = None
    valid_candidate: bool | None = None
    valid_baseline: bool | None = None
    output_baseline: str | None = None
    output_candidate: str | None = None
    agree: float | None = None
    agree_again: float | None = None
    b_again: float | None = None
    label: float | None = None
    at: float | None = None
    also: dict[str, float] = {}
    slices: tuple[str, ...] = ()
    candidate: str = ""


_PAIR = msgspec.json.Decoder(_Pair)
_COMPARISON = b'"exchange_id":'
"""What each row of a comparison has, and no pair."""


class RecordedPair(NamedTuple):
    """What one line holds."""

    event: PairEvent
    is_timed: bool
    """Whether it says when it was."""
    candidate: str
    """Whom of several candidates it is of; empty: it does not say."""


def read(line: bytes) -> RecordedPair:
    """The pair a line holds.

    Raises:
        PairError: what is wrong with it, and what a pair looks like.
    """
    try:
        pair = _PAIR.decode(line)
    except UnicodeDecodeError as error:
        raise PairError("not UTF-8. hint: save the file as UTF-8") from error
    except (msgspec.MsgspecError, RecursionError) as error:
        if _COMPARISON in line:
            raise PairError(
                "a comparison, as `crossfade replay --out` keeps them: it has no times of the baseline. hint: "
                "`crossfade replay ROUTE --policy FILE` prints what another policy would have decided on it"
            ) from error
        raise PairError(
            f"not a compared pair: {error}. hint: one JSON object per line, with unit, q, error_*"
        ) from error
    _check(pair)
    event = PairEvent(
        pair.unit, pair.at or 0.0, q=None if pair.missing else pair.q,
        error_candidate=pair.error_candidate, error_baseline=pair.error_baseline, valid_candidate=pair.valid_candidate,
        valid_baseline=pair.valid_baseline, p_sample=pair.p_sample, abstained=pair.abstained, user=pair.user,
        prompt=pair.prompt_sha,
        ttft_candidate_s=None if pair.error_candidate else pair.ttft_candidate_s,
        ttft_baseline_s=None if pair.error_baseline else pair.ttft_baseline_s,
        total_candidate_s=None if pair.error_candidate else pair.total_candidate_s,
        total_baseline_s=None if pair.error_baseline else pair.total_baseline_s,
        cost_candidate_usd=pair.cost_candidate_usd, cost_baseline_usd=pair.cost_baseline_usd,
        output_candidate=None if pair.output_candidate is None else describe(pair.output_candidate),
        output_baseline=None if pair.output_baseline is None else describe(pair.output_baseline),
        agree=pair.agree, agree_again=pair.agree_again, agree_cross=pair.b_again, again=pair.agree_again is not None,
        label=pair.label, also=tuple(AlsoScored(name, q) for name, q in sorted(pair.also.items())),
        slices=pair.slices,
    )  # fmt: skip
    return RecordedPair(event, pair.at is not None, pair.candidate)


_RANGES: tuple[tuple[tuple[str, ...], float, float, str], ...] = (
    (("q", "label"), -1, 1, "the candidate's score less the baseline's, within [-1, 1]"),
    (("agree", "agree_again", "b_again"), 0, 1, "a likeness within [0, 1]"),
    (("p_sample",), 1e-6, 1, "the chance with which the pair was scored, above 0 and at most 1"),
    (
        ("ttft_baseline_s", "ttft_candidate_s", "total_baseline_s", "total_candidate_s"), 0, 1e6,
        "seconds, from 0 up to a million",
    ),
    (("cost_baseline_usd", "cost_candidate_usd"), 0, 1e4, "dollars of one answer, from 0 up to ten thousand"),
    (("at",), 0, 253_402_300_799, "seconds since 1970"),
)  # fmt: skip


def _check(pair: _Pair) -> None:
    """Refuse numbers that are none of what they stand for.

    Raises:
        PairError: which, and what it may be.
    """
    for names, low, high, hint in _RANGES:
        for name in names:
            value: float | None = getattr(pair, name)
            if value is not None and not low <= value <= high:
                raise PairError(f"{name} is {_number(value)}. hint: {hint}")
    for name, q in pair.also.items():
        if not -1 <= q <= 1:
            raise PairError(f"also.{name} is {_number(q)}. hint: {_RANGES[0][3]}")
    _check_words(pair)


def _number(value: float) -> str:
    """As it stands in the file, as near as can be: rounded, what lies just beyond a limit would seem to lie on it."""
    return repr(value).removesuffix(".0")


def _check_words(pair: _Pair) -> None:
    """Refuse what contradicts itself: one of the two is wrong, and nobody can tell which.

    Raises:
        PairError: what does, and how it is written.
    """
    if not pair.unit:
        raise PairError("`unit` is empty, and all such pairs would be one. hint: the conversation's own name")
    if pair.missing and (pair.q is not None or pair.abstained):
        raise PairError("`missing` says that there is no score, and yet there is. hint: leave out q and abstained")
    if pair.abstained and pair.q is not None:
        raise PairError("`abstained` says that nobody could decide, and yet there is a score. hint: leave out one")
    told: set[str] = set()
    for each in pair.slices:
        name, _, value = each.partition("=")
        if not name or not value:
            raise PairError(f"slices has {each!r}. hint: a dimension and its value, as language=german")
        if name in told:
            raise PairError(f"slices has two values of {name}. hint: one, as a request is in one slice of a dimension")
        told.add(name)
