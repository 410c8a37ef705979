"""What the admin API says of labels, and what a vote is sent as."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from gateway.admin.labels import NAME, Choice, Pool
from gateway.admin.views import PageView


class LabelView(PageView):
    """What somebody said of a pair; no text of it."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)
    exchange_id: str
    asked: str
    by: str
    route: str
    pool: str
    """`random` pairs speak of all; others were chosen."""
    vote: str
    tags: list[str]
    at: float


class AgreementView(PageView):
    """How far people agree with the scores of the same pairs; None: too few, or all of one kind."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)
    n: int
    agreed: int
    kappa: float | None
    """Cohen's."""
    kappa_half: float | None
    """Half of its 95 % interval."""


class HumanScoreView(PageView):
    """What people say of the candidate on random pairs: +1 it is better, -1 the baseline is."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)
    n: int
    mean: float | None
    lower: float | None
    upper: float | None


class LabelsView(PageView):
    """Votes on pairs, newest first."""

    labels: list[LabelView]
    agreement: AgreementView
    """Of the random pairs among them, with the score of each."""
    human: HumanScoreView


class BlindPairView(PageView):
    """A pair to judge, and not whose answers they are."""

    exchange_id: str
    asked: str
    prompt: list[str]
    """Each turn as `role: text`, the system's first."""
    left: str
    right: str


class LabelQueueView(PageView):
    """Where somebody is in a queue of pairs, and the next one."""

    total: int
    done: int
    pair: BlindPairView | None
    """None: nothing is left."""


class LabelOrderView(PageView):
    """A vote on a pair, or `undo` of it; sides are those the queue showed this person."""

    route: Annotated[str, Field(min_length=1, max_length=200)]
    by: Annotated[str, Field(pattern=f"^{NAME}$")]
    exchange_id: UUID
    asked: Literal["candidate", "baseline"]
    choice: Choice | Literal["undo"]
    pool: Pool = "random"
    seed: Annotated[str, Field(max_length=20)] = "1"
    tags: Annotated[tuple[str, ...], Field(max_length=9)] = ()


class VotedView(PageView):
    """What became of a vote, and whose answer was the better one."""

    label: LabelView | None
    """None: it was taken back."""
    undone: bool
    """Whether there was one to take back."""
