"""What one policy file comes to for the core that decides: plain values with their defaults. Standard library only.

`policies.compile` makes these from a policy file. Defaults are those of the design (decisions, D.2 and D.4). A field
that came later has as its default what was meant before it came, so that every record of a decision replays; what is
meant today, `compile` says.
Weights are integers in parts per million, as in the routing table, so that no two processes differ by a rounding.

Longer than a file should be: it is one list, and all of it stands in every record of a decision.
"""

import hashlib
import json
from dataclasses import astuple, dataclass, replace
from functools import lru_cache
from typing import Literal

from policies.windows import RiseWindow

PPM = 1_000_000
HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
_FIFTH = 0.2

MAX_UNITS = 20_000
ARMS_FROM_PPM = 250_000
"""From this weight on the arms themselves are compared, and quality is certified again on the candidate's own
conversations; below it the paired evidence of the shadow stands in, together with silent detectors."""


@dataclass(frozen=True, slots=True)
class CandidateKey:
    """All that makes a candidate what it is: any change starts new evidence."""

    candidate: str
    """Upstream and model, as `vllm/triage-7b`."""
    revision: str = ""
    baseline: str = ""
    prompt: str = ""
    """Version or digest of the system prompt or template."""
    judge: str = ""
    """Comparator or judge, with its version: another judge measures another thing."""
    decoding: str = ""
    """The candidate's request parameters, in a canonical form."""

    @property
    def digest(self) -> str:
        """Twelve hex digits that differ whenever any part differs."""
        return _digest(self)


@lru_cache(maxsize=1024)  # each event asks for that of its candidate, and there are few
def _digest(key: CandidateKey) -> str:
    return hashlib.sha256(json.dumps(astuple(key)).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Bets:
    """The shares of its capital that a certificate bets, mixed in equal parts: `n` of them, each by the same factor
    more than the one before. A rollout keeps the grid that it began with.
    """

    least: float = 0.01
    most: float = 0.9
    n: int = 16


BETS_BEFORE = Bets()
"""What rollouts began with before they kept their grid."""
BETS = Bets(0.1, 0.95, 8)
"""What a rollout begins with now. Source: decisions-2, ruling 6."""


@dataclass(frozen=True, slots=True)
class Quality:
    """The candidate's score less the baseline's, averaged per unit, stays above `-margin`."""

    margin: float = 0.05
    """Below 0 the candidate must be better, by so much at least."""
    metric: str = "quality"
    """The comparator that scores."""
    alpha: float = 0.05
    required: bool = True
    scale: float = 1.0
    """Largest weighted score: 1/p where a judge scores a share p of the pairs (at least 1, at most 4)."""
    likeness: bool = False
    """The metric says how alike answers are, not which is better: a unit's score is how much less alike the two
    variants are than the baseline and itself. It certifies or stays undecided; it is never harm."""
    deterministic: bool = False
    """The baseline is declared to agree with itself always, and is not asked twice."""
    missing: float | None = None
    """What a pair without a verdict is worth at worst, on average (-1: nothing is assumed). None: it is left out."""
    name: str = "quality"
    """What the gate is called, and what its evidence is kept under."""
    owned_margin: float | None = None
    """The margin on the candidate's own conversations, from 25 % on. None: the same."""

    @property
    def owned(self) -> "Quality":
        """The gate as it holds there."""
        return self if self.owned_margin is None else replace(self, margin=self.owned_margin, owned_margin=None)

    @property
    def asks_twice(self) -> bool:
        """Whether the baseline is asked a second time for it."""
        return self.likeness and not self.deterministic

    @property
    def tolerance(self) -> float:
        """The harm that is tolerated: a candidate that is to be better need not yet be, and may not be worse."""
        return max(0.0, self.margin)


@dataclass(frozen=True, slots=True)
class Validity:
    """Answers that satisfy the schema or the tools' signatures: the candidate's rate stays within `margin`."""

    margin: float = 0.01
    alpha: float = 0.05
    required: bool = True
    may_be_rare: bool = False
    """Whether a stage with traffic may see no answer that has a form to keep to: then it waits. Off, that is an error,
    which goes back to the baseline once it lasts.
    """


@dataclass(frozen=True, slots=True)
class Errors:
    """Failed requests: the candidate's rate stays within `margin` of the baseline's."""

    margin: float = 0.01
    alpha: float = 0.05
    required: bool = True


@dataclass(frozen=True, slots=True)
class Latency:
    """A quantile of the candidate's latency stays below a limit.

    Either `limit_s` (the app's own objective), or `ratio` times the baseline's: beside it, block by block, where
    `block_s` says how long one is; else its quantile, frozen as soon as `freeze_units` units were seen.
    """

    measure: Literal["ttft", "total"] = "ttft"
    quantile: float = 0.95
    limit_s: float | None = None
    ratio: float = 1.2
    freeze_units: int = 1000
    warmup: int = 100
    """The first units of a stage that do not count: caches are cold."""
    alpha: float = 0.05
    required: bool = True
    block_s: float | None = None
    """How long a block of the comparison beside the baseline is (`policies.concurrent`). None: `ratio` is of what was
    frozen."""
    name: str = "latency"
    """What the gate is called, and what its evidence beside the baseline is kept under."""
    counts_failures: bool = False
    """Whether a request that the candidate alone failed counts as beyond every limit, for the certificate and not for
    harm. Off, it is left out: a candidate that fails what it is slow at looks fast."""

    @property
    def what(self) -> str:
        """What is measured, as `ttft p95`: another quantile, or of another time, is another thing."""
        return f"{self.measure} p{self.quantile * 100:g}"

    @property
    def counted_by(self) -> tuple[object, ...]:
        """What decides how a unit is counted beside the baseline: what was counted by other terms says nothing."""
        is_beside = self.block_s is not None and self.limit_s is None
        return (self.what, self.ratio, self.block_s, self.counts_failures) if is_beside else ()


@dataclass(frozen=True, slots=True)
class Cost:
    """The candidate's mean cost over the baseline's: computed, not certified."""

    max_ratio: float = 1.0
    alpha: float = 0.05
    required: bool = False


@dataclass(frozen=True, slots=True)
class Gates:
    """What must be certified to advance; None is a gate the policy does not have."""

    quality: Quality | None = Quality()
    validity: Validity | None = None
    errors: Errors | None = Errors()
    latency: Latency | None = Latency()
    cost: Cost | None = None
    harm_alpha: float = 0.01
    """Shared by the gates: harm is certified at `harm_alpha / number of gates`."""
    also_quality: tuple[Quality, ...] = ()
    """Further scores that must be certified too, each under a name of its own."""
    also_latency: tuple[Latency, ...] = ()
    """Further limits, likewise."""
    slices: tuple[str, ...] = ()
    """Dimensions of the traffic, each slice of which must hold by itself (`policies.slices`)."""
    plans_by_alpha: bool = False
    """Whether units to go, budgets and futility go by the gate's own alpha. Off: by 0.05, whatever it is."""

    @property
    def qualities(self) -> tuple[Quality, ...]:
        """Every score that must be certified."""
        return (*(() if self.quality is None else (self.quality,)), *self.also_quality)

    @property
    def latencies(self) -> tuple[Latency, ...]:
        """Every limit on time."""
        return (*(() if self.latency is None else (self.latency,)), *self.also_latency)


@dataclass(frozen=True, slots=True)
class Guards:
    """What must hold to stay. A breach that is certified rolls back; a suspicion only blocks advancing."""

    outputs: Literal["required", "observed"] = "required"
    """Whether advancing needs the outputs seen. Required wherever a judge or feedback scores: both can be gamed."""
    same_answers: float | None = None
    """How much more often than the baseline's two of the candidate's answers to different requests may be the same
    (`policies.variety`): surely more is a breach, and nothing else is. None: the shares of single answers convict."""
    distinct_ratio: float = 0.5
    """Least number of different outputs, as a part of the baseline's."""
    top_share: float = 0.05
    top_ratio: float = 3.0
    """The commonest output's share stays below the larger of `top_share` and `top_ratio` times the baseline's."""
    length_ratio_min: float = 0.5
    length_ratio_max: float = 2.0
    slack: float = 0.05
    """How much more often than the baseline the candidate may refuse, be empty, be cut, loop, echo, and so on."""
    min_outputs: int = 50
    drop_rate: float = 0.01
    unscored_rate: float = 0.05
    abstain_rate: float = 0.05
    control_failures: float = 0.1
    unit_share: float = 0.01
    baseline_errors: float = 0.05
    """A baseline that surely fails more often than this is in trouble itself: beside it nobody earns anything."""
    srm_alpha: float = 0.001
    hang_ups: float | None = None
    """How much more often than on the baseline apps may hang up on the candidate: surely more is a breach. None: what
    an app hung up on is no evidence of anything."""
    busy_rate: float | None = None
    """Of the requests assigned to the candidate, those that it had no room for, until nothing advances. None: any
    number."""
    late_rate: float | None = None
    """Requests that may be told after their conversations were counted, until nothing advances. None: any number."""
    judge_bias: float | None = None
    """The judge's mean error beside people's labels must be certified within this, or it does not count."""
    alpha: float = 0.01
    """Each guard's own: the chance that it ever calls a healthy candidate a breach."""

    @property
    def tells_more(self) -> bool:
        """Whether reasons have the words that came with `hang_ups`; those of a record of before stay as they were."""
        return self.hang_ups is not None


@dataclass(frozen=True, slots=True)
class Detectors:
    """Tolerances of the detectors that roll back fast. Latency's is 1 - quantile, quality's is its margin."""

    errors: float = 0.02
    validity: float = 0.02
    spare_s: float = 0.0
    """After a failure of a conversation was counted, its further ones within so long are left out; 0: each counts."""
    rho: float = 0.0
    """How alike the scores of one conversation may be: its next pair says less and less. 0: each says as much."""
    baseline_excused: bool = False
    """Whether what the baseline lately failed, or broke of its form, is excused beside its answers, too.

    Off: only what it did with the very same request.
    """
    empty: float | None = None
    """Share of a trial's answers that may have nothing in them where the baseline's have something. None: not heard."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One rung of the ladder."""

    weight_ppm: int
    min_units: int = 100
    hold_s: float = 0.0
    """Least time here, lived while a controller watched."""
    approve: Literal["auto", "manual"] = "auto"
    """Manual: an operator's word is needed to enter this stage."""
    holdback_ppm: int = 0
    """Kept on the baseline for good, so that there is something to compare with."""
    reverse_shadow_ppm: int = 0
    """Share of the candidate's exchanges that also ask the baseline in the background."""
    reverse_until_ppm: int = 0
    """The same until quality is certified on this stage; 0: no more than ever."""
    max_units: int = MAX_UNITS
    """Conversations after which the stage is inconclusive; on the last one its evidence then begins afresh."""
    max_s: float = 14 * DAY_S
    days: int | None = None
    """Whole days it takes at least. From its first whole day on a certificate counts only if it also held at the end of
    the last one. None: days are not looked at."""
    by_pairs: bool = False
    """Each gate has a budget of its own, in conversations that it compared; `max_units` is for the last stage only."""

    @property
    def least_s(self) -> float:
        """The least time here: its hold, and its whole days."""
        return max(self.hold_s, DAY_S * (self.days or 0))

    @property
    def served_ppm(self) -> int:
        """The share of eligible traffic that the candidate really answers here."""
        return self.weight_ppm - min(self.holdback_ppm, self.weight_ppm)

    @property
    def label(self) -> str:
        """The name people give it: `shadow`, `5%`."""
        return f"{self.weight_ppm / 10_000:g}%" if self.weight_ppm else "shadow"


def default_hold_s(weight_ppm: int) -> float:
    """The least time at a weight: none in the shadow, an hour below 25 %, a day (a whole mix of traffic) from there."""
    if not weight_ppm:
        return 0.0
    return HOUR_S if weight_ppm < ARMS_FROM_PPM else DAY_S


def _default_stages() -> tuple[Stage, ...]:
    weights = (0, 10_000, 50_000, 250_000, 500_000)
    climbing = tuple(
        Stage(ppm, hold_s=default_hold_s(ppm), reverse_shadow_ppm=50_000 if ppm >= ARMS_FROM_PPM else 0)
        for ppm in weights
    )
    return (*climbing, Stage(PPM, hold_s=DAY_S, reverse_shadow_ppm=50_000))


@dataclass(frozen=True, slots=True)
class Ladder:
    """The stages of a rollout, weights rising; the first is the shadow (weight 0)."""

    stages: tuple[Stage, ...] = _default_stages()
    rises: RiseWindow | None = None
    """When certificates may raise the weight; None: always."""
    split: bool = False
    """Nothing is certified and nothing is asked for: the weight rises to the last stage because the policy says so."""
    moves_by: str = ""
    """The dimension of the traffic whose certified slices alone move (`policies.moving_slices`); empty: all moves."""

    def __post_init__(self) -> None:
        """Refuse a ladder that would move traffic before any evidence, or back and forth.

        Raises:
            ValueError: a bug in the caller; policy files are refused with a position long before.
        """
        weights = [stage.served_ppm for stage in self.stages]
        if not weights or weights[0] or weights != sorted(set(weights)) or weights[-1] > PPM:
            raise ValueError(f"a ladder starts at weight 0 and rises up to {PPM}: {weights}")


@dataclass(frozen=True, slots=True)
class RollbackSettings:
    """How fast to roll back, and what comes after."""

    arl: float = 10_000.0
    """At most one false alarm per so many requests, for each detector."""
    cooldown_s: float = DAY_S
    quarantine_after: int = 3
    error_after_s: float = 1800.0
    """A gate that cannot be judged for so long, while the candidate answers, counts as a failure."""
    stale_s: float = 600.0
    """Evidence whose watermark is older than this is not looked at."""
    tick_s: float = 60.0
    """The most time that passes from one step to the next: clock jumps and blind hours earn nothing."""
    trial: int = 0
    """Requests that a suspended candidate is asked beside the baseline before it comes back. 0: none is suspended, and
    an alarm rolls back at once."""
    trial_s: float = DAY_S
    """Longest that a suspended candidate waits for them."""
    calm_s: float = 60.0
    """How long a suspended candidate is asked nothing first."""
    suspensions: int = 2
    """In one day; another alarm rolls back."""


@dataclass(frozen=True, slots=True)
class Units:
    """When a unit (a conversation) is over and its mean counts."""

    close_after_s: float = 1800.0
    max_pairs: int = 20
    rho_users: float = 0.0
    """How alike the units of one user may be: the n-th weighs less and less (`policies.clusters`). 0: each weighs 1."""
    rho_prompts: float = 0.0
    """The same of units that begin with one prompt."""
    late: bool = False
    """Whether what is told behind the watermark counts: in its conversation while that is open, else by itself."""
    outage_after: int = 0
    """After so many units in a row without any answer of the candidate's, further ones are of one outage: they count
    for certificates, and for no harm. 0: each counts for both."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a rollout is held to by its own history."""

    latency_s: float | None = None
    """The baseline's latency quantile, as its first units set it."""
    quality: float | None = None
    """The lower confidence bound at which quality was last certified. A candidate is not only held to the margin but
    to what let it pass: falling surely below that is a change, and a change is what detectors are for."""
    latency_of: str = ""
    """What `latency_s` is a quantile of: `Latency.what`."""
    settled_ppm: int | None = None
    """The weight of the stage on which quality was certified last: there the baseline need not be asked so often."""
    watch: int = 0
    """Rises when detectors begin afresh, as it is suspended and as it leaves that: odd while it is suspended."""
    moving: tuple[str, ...] = ()
    """Slices that were certified by themselves, in that order: they stay so, and where slices move alone, only they
    do."""

    def awake(self) -> "Held":
        """The same, no longer suspended."""
        return replace(self, watch=self.watch + 1) if self.watch % 2 else self

    def limit_s(self, gate: Latency) -> float | None:
        """The latency limit for `gate`: its own, or a multiple of what was frozen for the same measure; else None."""
        if gate.limit_s is not None or self.latency_s is None or self.latency_of != gate.what:
            return gate.limit_s
        return gate.ratio * self.latency_s


@dataclass(frozen=True, slots=True)
class BaselineP99:
    """How long the baseline's slowest hundredth takes; None: not known yet.

    A value follows what is measured only when that differs by more than a fifth: the limits made of it do not flutter,
    and the routing table's version does not rise with every sample.
    """

    first_token_s: float | None = None
    """Of streams: from arrival to the first byte."""
    whole_s: float | None = None
    """Of answers that are not streamed: from arrival to the last byte."""
    stream_s: float | None = None
    """Of streams: from arrival to the last byte."""
    kib_s: float | None = None
    """Of streams: 1,024 bytes on their way to the app, on average from the first byte to the last."""

    def followed(self, measured: "BaselineP99") -> "BaselineP99":
        """What to go by from now on."""
        return BaselineP99(
            _followed(self.first_token_s, measured.first_token_s),
            _followed(self.whole_s, measured.whole_s),
            _followed(self.stream_s, measured.stream_s),
            _followed(self.kib_s, measured.kib_s),
        )


def _followed(old: float | None, new: float | None) -> float | None:
    if old is None or new is None:
        return old if new is None else new
    return new if abs(new - old) > _FIFTH * old else old


@dataclass(frozen=True, slots=True)
class Rules:
    """One route's policy, as far as decisions go."""

    route: str
    key: CandidateKey
    gates: Gates = Gates()
    guards: Guards = Guards()
    detectors: Detectors = Detectors()
    ladder: Ladder = Ladder()
    rollback: RollbackSettings = RollbackSettings()
    units: Units = Units()
    bets: Bets = BETS_BEFORE
