"""What gates, guards and detectors say, as values: `rollout.step` weighs them, `explain` prints them.

Standard library only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from policies.terms import Better, Verdict


def gate_kind(name: str) -> str:
    """What a gate is about: `quality` of `quality:judge` and of `quality@language=german`."""
    return name.partition("@")[0].partition(":")[0]


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate's verdict, with every number it rests on. Numbers that are not known are None, never made up."""

    gate: str
    verdict: Verdict
    reason: str
    n: int = 0
    """Units looked at; of the smaller arm where arms are compared."""
    estimate: float | None = None
    lower: float | None = None
    upper: float | None = None
    """Confidence sequence: each side holds at 1 - alpha, at all looks together."""
    limit: float | None = None
    log10_e: float | None = None
    """Evidence for the certificate: it holds when this reaches log10(1 / alpha)."""
    log10_harm: float | None = None
    """Evidence for harm beyond the limit."""
    needed: float | None = None
    """What `log10_e` has to reach."""
    units_to_go: int | None = None
    """Units still needed at the present estimate, by the planning rule; None: no number of units would do."""
    required: bool = True
    """Whether this stage needs it to advance."""
    futile: bool = False
    """Even at the optimistic end of the interval the stage's budget of units would not do."""
    better: Better = Better.HIGHER
    sd: float | None = None
    """Standard deviation of a unit."""
    likeness: bool = False
    """It is about how alike answers are, and not about which is better."""
    fits_index: bool = False
    """It is about whether vectors fit an index, and says nothing of quality."""
    budget: int | None = None
    """Compared units after which, uncertified, it has had its chance; None: the stage's conversations are counted."""


@dataclass(frozen=True, slots=True)
class GuardResult:
    """One guard's verdict. FAIL is a certified breach and rolls back; anything else than PASS blocks advancing."""

    guard: str
    verdict: Verdict
    reason: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Alarm:
    """What one detector says."""

    detector: str
    log10_m: float
    """Height of the statistic now."""
    limit: float
    """log10 of the average run length it alarms at."""
    raised: bool
    """Whether it has alarmed in this stage."""
    reason: str
    tolerance: float | None = field(default=None, compare=False)
    """The most badness a healthy candidate shows on average; None: of a version that did not say. It is not
    compared: records of such versions are made again all the same."""


@dataclass(frozen=True, slots=True)
class Noise:
    """How alike answers are: the candidate's to the baseline's, and the baseline's to itself. Gates nothing."""

    n: int = 0
    agree: float | None = None
    """Mean likeness of candidate's and baseline's answers over `n` pairs; None: never compared."""
    again_n: int = 0
    agree_again: float | None = None
    """Mean likeness of the baseline's answers to itself over `again_n` requests asked twice; None: never asked."""
    again_usd: float | None = None
    """What asking twice cost so far; None: no price is known."""


@dataclass(frozen=True, slots=True)
class Intake:
    """What of the stage's requests came into its evidence as it should, and what did not."""

    requests: int = 0
    late: int = 0
    """Of them, told after their conversation was counted; they count by themselves."""
    drawn: int = 0
    """Requests that the shadow's lot fell on."""
    skipped: Mapping[str, int] = field(default_factory=dict[str, int])
    """Of them, not asked after all, by the reason; they count nowhere."""
    units: int = 0
    """Conversations that are over."""
    users: int = 0
    """Who had them, as far as that is known."""
    most_worth: float = 0.0
    """What all conversations of so many users are worth together at most; 0: each counts whole."""


@dataclass(frozen=True, slots=True)
class Results:
    """The results of one evaluation of a rollout."""

    gates: tuple[GateResult, ...] = ()
    guards: tuple[GuardResult, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    units: int = 0
    """Units closed in this stage."""
    fault: str | None = None
    """Why nothing can be judged at all: evaluator down, evidence stale, clocks apart."""
    unhealthy: str | None = None
    """Why the candidate does not serve: what is assigned to it is not answered by it (`policies.liveness`)."""
    latency_s: float | None = None
    """The baseline's latency quantile, once enough of its units are seen to freeze it."""
    latency_of: str = ""
    """What `latency_s` is a quantile of."""
    noise: Noise = Noise()
    serving: str = ""
    """What the candidate really answers of what is assigned to it, in a sentence; empty: nothing is."""
    served: tuple[int, int] = (0, 0)
    """How many requests it answered lately, and how many were assigned to it."""
    intake: Intake = Intake()
    settled_ppm: int | None = None
    """The weight on which quality is certified now, where the baseline is asked for it; None: it is not."""
    open_units: int = 0
    """Units that may still go on, told while the stage has too few closed ones."""
    first_closes_at: float | None = None
    """When the first of them is over if nothing more comes."""
    tried: int = 0
    """Of a suspended candidate: requests beside the baseline that came back."""
    beside: str = ""
    """Why another of several candidates goes first; empty: none does."""
    drawn: tuple[str, ...] = ()
    """Where slices move alone: those that are tested, once they are drawn (`policies.moving_slices`)."""
    joins: tuple[str, ...] = ()
    """Of them, those that are certified now and do not move yet."""
    cold: str = ""
    """Why servers are not warm enough for the next weight; empty: they are, or nobody asks."""

    @property
    def waits_for(self) -> str:
        """What it waits for once nothing else is missing, in a sentence; empty: nothing."""
        return f"it waits for its servers to be warm: {self.cold}" if self.cold else ""

    @property
    def spent_gate(self) -> GateResult | None:
        """The required gate that has compared as many pairs as its own budget allows, for nothing; None: none has."""
        wanted = (gate for gate in self.gates if gate.required and gate.verdict is Verdict.INCONCLUSIVE)
        return next((gate for gate in wanted if gate.budget and gate.n >= gate.budget), None)
