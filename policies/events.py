"""What the core is told of one request: the answers of one or both variants, already scored. Standard library only."""

from dataclasses import dataclass
from typing import Literal

from policies.terms import Owner


@dataclass(frozen=True, slots=True)
class Output:
    """What the guards need of an answer's text; `guards.describe` makes it. The text itself stays behind."""

    digest: str
    length: int
    flags: tuple[str, ...] = ()
    """What is wrong with it: `empty`, `refusal`, `loop`, and those only the shadow can see: `truncated`,
    `language`, `echo`, `unknown_tool`, `leak` (of thoughts or of template tokens)."""


@dataclass(frozen=True, slots=True)
class AlsoScored:
    """What a further metric says of a pair, where several gates rest on scores."""

    metric: str
    q: float | None = None
    """As `PairEvent.q`, and so are the others."""
    p_sample: float = 1.0
    abstained: bool = False


@dataclass(frozen=True, slots=True)
class PairEvent:
    """One eligible request of a route: a pair where both variants answered, one arm's request where only one did.

    None is "not measured". Every eligible exchange is fed, mirrored or not, so that the arms' shares can be checked.
    """

    unit: str
    at: float
    """Unix seconds at which the request arrived."""
    id: str = ""
    """Orders requests of the same instant."""
    owner: Owner = Owner.BASELINE
    q: float | None = None
    """Candidate's score less the baseline's, in [-1, 1]. A pair the judge's lot did not fall on has 0."""
    p_sample: float = 1.0
    """Probability with which this pair was scored; 1 for what is always scored."""
    error_candidate: bool | None = None
    """None: the candidate was not asked. A timeout is an error."""
    error_baseline: bool | None = None
    valid_candidate: bool | None = None
    valid_baseline: bool | None = None
    ttft_candidate_s: float | None = None
    ttft_baseline_s: float | None = None
    total_candidate_s: float | None = None
    total_baseline_s: float | None = None
    cost_candidate_usd: float | None = None
    cost_baseline_usd: float | None = None
    output_candidate: Output | None = None
    output_baseline: Output | None = None
    dropped: bool = False
    """The pair was drawn for mirroring and then lost. In the candidate's queue, or too old (`error_candidate` is False
    then): counted against the candidate. Without a trace (None): counted as missing, and nobody's loss."""
    abstained: bool = False
    """Whoever scores was asked, and gave no verdict: it is missing. (A judge's tie is a verdict.)"""
    control: bool | None = None
    """A hidden control: whether the judge got right what is known. No evidence of the candidate."""
    label: float | None = None
    """A person's score of the same pair, where one was asked."""
    agree: float | None = None
    """Likeness of the two answers, 0 to 1. Two good answers may differ: it is held against `agree_again`."""
    agree_again: float | None = None
    """Likeness of the baseline's answer to its own, asked again: the noise floor, which nothing can beat."""

    unasked: bool = False
    """The candidate was not asked after all: no success for the detectors, whatever certificates make of it."""
    user: str = ""
    """A hash of who asks; empty: nobody says."""
    prompt: str = ""
    """A hash of what the conversation begins with; empty: not known."""
    again: bool = False
    """The lot fell on asking the baseline a second time."""
    agree_cross: float | None = None
    """Likeness of the candidate's answer to the baseline's second one."""
    cost_again_usd: float | None = None
    """What the second answer cost."""
    also: tuple[AlsoScored, ...] = ()
    """Further metrics that gates rest on."""
    slices: tuple[str, ...] = ()
    """What slices of the traffic it belongs to, each as `language=german`."""
    skipped: str = ""
    """Why the other variant was not asked although the lot fell on it, in a word; empty: it was, or none fell."""
    stays: bool = False
    """Its slice was not certified when it was assigned, and stays with the baseline: it speaks for that slice alone."""
    left: Literal["", "waiting", "reading"] = ""
    """The app hung up: before its owner's first byte, or while it read. Nobody knows how it would have gone on, so
    neither side has failed (both `error_*` are None), and a time that was not over is the least that it would have
    been. Empty: the app stayed to the end."""
    busy: bool = False
    """It was the candidate's, which had too many requests in flight to be asked: nothing says that it is ill."""
    heard: Literal["whole", "trial", "earlier"] = "whole"
    """Who hears it: counts and detectors; of a suspended candidate's trial the detectors alone; of what was served
    before an alarm and is told after it the counts alone."""

    @property
    def paired(self) -> bool:
        """Whether both variants were asked."""
        return self.error_candidate is not None and self.error_baseline is not None
