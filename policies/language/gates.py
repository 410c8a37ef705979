"""What a policy demands: gates to advance, guards to stay, and what a rollback is followed by."""

import math
from typing import Annotated, Literal, NamedTuple, cast

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, field_serializer
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_before_validator_function

from policies.language.amounts import Fraction, Seconds, SignedMargin, Times
from policies.language.base import Section, Several, Text

DAY_S = 86400.0

Margin = Annotated[Fraction, Field(gt=0, lt=1)]


class Missing(Section):
    """What is assumed of pairs without a verdict."""

    at_worst: Annotated[float, Field(ge=-1, le=0)] = -1.0
    """What such a pair is worth on average, at worst. -1 assumes nothing; what is nearer to 0 is your word for it, and
    every decision says so."""


class QualityGate(Section):
    """The candidate's score stays within a margin of the baseline's, per conversation. Several as a list: all must."""

    metric: Text | None = None
    """The comparator that scores; default: the first in `compare` that can."""
    margin: SignedMargin = 0.05
    """The harm that is allowed, as a difference of mean scores within -1 and 1. Strict is 0.02, loose 0.10. Below 0 the
    candidate must be better, by so much: -0.02 certifies that it is, and one that is merely as good stays."""
    owned_margin: SignedMargin | None = None
    """The same from 25 % on, where the candidate's own conversations are compared; default: `margin`. A wider one is
    certified by fewer calls of the baseline: 0.10 by about a quarter of what 0.05 takes."""
    missing: Missing = Missing()
    """What counts for a pair that nobody gave a verdict on."""


class ValidityGate(Section):
    """Answers satisfy their schema or the tools' signatures as often as the baseline's."""

    margin: Margin = 0.01
    """The harm that is allowed, as a difference of rates."""


class ErrorsGate(Section):
    """Requests fail as rarely as the baseline's."""

    margin: Margin = 0.01
    """The harm that is allowed, as a difference of rates."""


class Relative(Section):
    """Limits as multiples of the baseline's own quantile: beside it, in the same hour."""

    ttft_p50: Times | None = None
    """Median time to the first token."""
    ttft_p90: Times | None = None
    """90 % of times to the first token."""
    ttft_p95: Times | None = None
    """95 % of times to the first token."""
    ttft_p99: Times | None = None
    """99 % of times to the first token."""
    total_p50: Times | None = None
    """Median time to the last token."""
    total_p90: Times | None = None
    """90 % of times to the last token."""
    total_p95: Times | None = None
    """95 % of times to the last token."""
    total_p99: Times | None = None
    """99 % of times to the last token."""
    block: Seconds = Field(default=3600.0, gt=0, le=DAY_S)
    """The comparison is made block by block, each of this length, or as many as bring 250 requests of the baseline; a
    line can be drawn from twelve blocks on. Shorter ones are for a try."""


Measure = Literal["ttft", "total"]


class Limit(NamedTuple):
    """One limit on one quantile: in seconds, or as a multiple of the baseline's."""

    measure: Measure
    quantile: float
    limit_s: float | None
    ratio: float | None


class LatencyGate(Section):
    """Quantiles of the candidate's latency stay below their limits, as the app sees it: every one that is named.

    A request that the candidate alone failed is beyond every limit.
    """

    ttft_p50: Seconds | None = Field(default=None, gt=0)
    """Median time to the first token."""
    ttft_p90: Seconds | None = Field(default=None, gt=0)
    """90 % of times to the first token."""
    ttft_p95: Seconds | None = Field(default=None, gt=0)
    """95 % of times to the first token."""
    ttft_p99: Seconds | None = Field(default=None, gt=0)
    """99 % of times to the first token."""
    total_p50: Seconds | None = Field(default=None, gt=0)
    """Median time to the last token."""
    total_p90: Seconds | None = Field(default=None, gt=0)
    """90 % of times to the last token."""
    total_p95: Seconds | None = Field(default=None, gt=0)
    """95 % of times to the last token."""
    total_p99: Seconds | None = Field(default=None, gt=0)
    """99 % of times to the last token."""
    relative: Relative | None = None
    """The same as multiples of the baseline's. Default of the gate: `{ttft_p95: 1.2x}`."""
    warmup: int = Field(default=100, ge=0)
    """Conversations at the start of a stage that do not count: caches are cold."""

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Every limit, seconds before multiples."""
        absolute = [(name, cast("float", value), None) for name, value in self if "_p" in name and value is not None]
        ratios = [
            (n, None, cast("float", value)) for n, value in self.relative or () if "_p" in n and value is not None
        ]
        return tuple(
            Limit(cast("Measure", name[:-4]), int(name[-2:]) / 100, limit_s, ratio)
            for name, limit_s, ratio in [*absolute, *ratios] or [("ttft_p95", None, 1.2)]
        )

    @property
    def block_s(self) -> float:
        """How long a block of a relative limit is."""
        return (self.relative or Relative()).block


class CostGate(Section):
    """The candidate's mean cost per request over the baseline's: computed from prices, not certified."""

    max_ratio: Times = 1.0
    """At most this part of the baseline's."""
    required: bool = False
    """Whether a dearer candidate must not advance; otherwise it is only said."""


def _or_off(value: object) -> object:
    if value is None:
        raise ValueError("is empty. hint: write `off`, or leave it out for the default")
    return None if value == "off" else value


class _Off:
    """Lets a gate be switched off by the word `off`, in files and in their JSON Schema."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The gate, or nothing."""
        return no_info_before_validator_function(_or_off, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The gate, or the word."""
        return {"anyOf": [{"const": "off"}, *handler(schema)["anyOf"][:1]]}


class Gates(Section):
    """To advance, every one of these must pass; with too little evidence the rollout waits."""

    alpha: Annotated[Fraction, Field(gt=0, le=0.1)] = 0.05
    """The chance that a gate ever passes a candidate that is beyond its limit, at all looks together."""
    retrain: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Which retrain of the route's model this is, from 1 on. Each has a chance of its own to pass wrongly; with this,
    the k-th is held to `alpha` * 6 / (pi^2 k^2), and all there will ever be share `alpha`. Preflight counts on."""
    quality: Annotated[Several[QualityGate] | None, _Off()] = (QualityGate(),)
    """Scores, one or a list of them. `off`: nobody looks whether answers are as good, which `accept` must say too."""
    accept: Several[Literal["unmeasured quality"]] = ()
    """What you take upon yourself, in words: `unmeasured quality` beside `quality: off`."""
    validity: Annotated[ValidityGate | None, _Off()] = ValidityGate()
    """Valid answers; `off` without it. Only where `compare` has schema or tool_calls."""
    errors: ErrorsGate = ErrorsGate()
    """Failures."""
    latency: Annotated[LatencyGate | None, _Off()] = LatencyGate()
    """Speed; `off` without it."""
    cost: Annotated[CostGate | None, _Off()] = CostGate()
    """Money, where prices are known; `off` without it."""

    @property
    def alpha_here(self) -> float:
        """What each gate of this retrain is held to. Source: decisions, B.4: the sum over all k is `alpha`."""
        return self.alpha if self.retrain is None else self.alpha * 6 / (math.pi * self.retrain) ** 2

    @field_serializer("quality")
    def _short(self, quality: tuple[QualityGate, ...] | None) -> QualityGate | tuple[QualityGate, ...] | None:
        """Accept a single gate that is not written as a list."""
        return quality[0] if quality is not None and len(quality) == 1 else quality


class Breaker(Section):
    """When a worker stops asking the candidate by itself, within the second."""

    consecutive: int = Field(default=5, ge=1)
    """Failures in a row."""
    ratio: Annotated[Fraction, Field(gt=0)] = 0.2
    """Share of failures within the window."""
    min_requests: int = Field(default=20, ge=1)
    """Requests within the window before the share counts."""
    window: Seconds = Field(default=10.0, gt=0)
    """How long a failure counts."""
    open: Seconds = Field(default=5.0, gt=0)
    """How long the candidate is left alone the first time."""
    max_open: Seconds = Field(default=300.0, gt=0)
    """The longest it is left alone."""


class LengthRatio(Section):
    """The range of the median length of answers, over the baseline's."""

    min: float = Field(default=0.5, gt=0, le=1)
    """Shorter is suspicious."""
    max: float = Field(default=2.0, ge=1, le=100)
    """Longer is suspicious."""


class Guards(Section):
    """To stay, none of these may fail: a proved breach rolls back at once, a suspicion blocks the advance."""

    error_rate: Annotated[Fraction, Field(gt=0, lt=1)] = 0.02
    """Failed requests that are tolerated; a detector rolls back above it, long before the gate is sure."""
    invalid_rate: Annotated[Fraction, Field(gt=0, lt=1)] = 0.02
    """Invalid answers that are tolerated."""
    outputs: Literal["required", "observed"] | None = None
    """Whether advancing needs the outputs seen. Default: `required` where a judge or your own function scores."""
    same_answers: Annotated[Fraction, Field(gt=0, lt=1)] = 0.25
    """How much more often than the baseline's two of the candidate's answers, to different requests, may be the same:
    surely more rolls back. What follows only blocks advancing."""
    distinct_ratio: Fraction = 0.5
    """Least number of different outputs, rare ones counting little, as a part of the baseline's."""
    top_share: Fraction = 0.05
    """Largest share of the commonest output, unless the baseline's is as large."""
    top_ratio: Times = 3.0
    """How many times the baseline's largest share the candidate's may be."""
    length_ratio: LengthRatio = LengthRatio()
    """How long answers are."""
    slack: Fraction = 0.05
    """How much more often than the baseline the candidate may refuse, be empty, be cut, loop, echo or leak."""
    hang_ups: Fraction = 0.05
    """How much more often than on the baseline apps may hang up on the candidate's answers: surely more rolls back."""
    drop_rate: Fraction = 0.01
    """Mirrored requests that may get lost before nothing advances."""
    busy_rate: Fraction = 0.01
    """Requests assigned to the candidate that it had no room for, before nothing advances."""
    unscored_rate: Fraction = 0.02
    """Pairs that may be without a score before it is said; each counts at its worst all the same."""
    abstain_rate: Fraction = 0.02
    """Pairs on which whoever scores may give no verdict, likewise."""
    unit_share: Fraction = 0.01
    """Share of the traffic that one unit may carry."""
    judge_bias: Annotated[Fraction, Field(gt=0)] | None = None
    """How far whoever scores may be from people's labels on average, certified; until then nothing advances."""
    breaker: Breaker = Breaker()
    """The worker's own reflex."""


class Rollback(Section):
    """How fast to roll back, and what comes after."""

    arl: float = Field(default=10_000, ge=1_000, le=1e9)
    """At most one false alarm per so many requests, for each detector."""
    cooldown: Seconds = DAY_S
    """Time before the candidate may try again in the shadow."""
    quarantine_after: int = Field(default=3, ge=1)
    """Rollbacks after which it needs a new revision, or you."""
    error_after: Seconds = Field(default=1800.0, gt=0)
    """A gate that cannot be judged for so long counts as a failure."""
    stale: Seconds = Field(default=600.0, gt=0)
    """Evidence older than this is not looked at."""
