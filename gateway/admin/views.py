"""What the admin API's pages answer."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class PageView(BaseModel):
    """What a page answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class VariantView(PageView):
    """One way to answer a route."""

    upstream: str
    model: str | None
    """None: what the app asked for."""
    revision: str | None


class StandingView(PageView):
    """Where a rollout stands on its ladder, as the shared state has it."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)
    route: str
    phase: str
    stage: str
    weight_ppm: int
    attempt: int
    version: int
    missing: list[str]
    """What stands between this stage and the next, the gravest first."""
    units: int | None
    units_to_go: int | None
    """None: not known, or no number of units would do."""
    looked_at: float | None
    last_move: str | None
    moved_at: float | None
    reason: str | None


class RolloutView(PageView):
    """Where a route stands."""

    route: str
    mode: Literal["observe", "apply", "bypass"]
    baseline: VariantView
    candidate: VariantView | None
    weight: float
    """Share of eligible traffic the candidate answers, 0..1."""
    standing: StandingView | None
    """None: no leader has looked at it yet, or the shared state cannot be used."""


class RolloutsView(PageView):
    """All routes, in matching order."""

    table_version: int
    lease_renewed_at: float
    killed: bool
    """Whether the kill file is there: then the baseline alone answers, whatever the weights say."""
    leader: str | None
    """The node that evaluates; None: no weight rises, and the table's lease runs out."""
    nodes: list[str]
    state_problem: str | None
    """Why the shared state cannot be used."""
    rollouts: list[RolloutView]


class DislikeView(PageView):
    """How often one variant's answers are disliked; each voter counts once."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)
    n: int
    """Voters."""
    bad: float
    """The share of bad votes of each, summed."""
    rate: float | None
    """None: nobody voted."""
    lower: float | None
    upper: float | None
    """Confidence sequence at 99 %, valid at all looks together."""


class VotesView(PageView):
    """Users' votes on both variants' answers: an alarm, which moves nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)
    candidate: DislikeView
    baseline: DislikeView
    log10_e: float
    needed: float
    raised: bool
    """Whether the candidate's answers are disliked more often than the baseline's, beyond chance."""
    reason: str
    remark: str


class RolloutDetailView(PageView):
    """A rollout, and what was last found of it."""

    standing: StandingView
    text: str | None
    """What was last found, as `crossfade explain` says it; None: nothing yet."""
    decision: dict[str, Any] | None
    """The same with every gate's numbers."""
    votes: VotesView | None
    """What users' votes in this node's records say; None: the policy has no `feedback`, or they cannot be read."""
    votes_problem: str | None
    """Why they cannot be read."""


class DecisionLine(PageView):
    """A decision."""

    id: str
    at: float
    route: str
    move: str
    outcome: str
    text: str


class DecisionsView(PageView):
    """Decisions, newest first."""

    decisions: list[DecisionLine]


class DecisionView(DecisionLine):
    """A decision with every number it rests on."""

    decision: dict[str, Any]


class ReasonView(PageView):
    """Why somebody does it."""

    reason: str = Field(min_length=1, max_length=1000)


class KillOrderView(ReasonView):
    """Everything to the baseline, or weights as the table says again."""

    off: bool = False


class OperatedView(PageView):
    """What became of an order."""

    order: str
    outcome: Literal["taken", "refused", "withdrawn", "waiting"]
    text: str
    alone: bool
    """Whether no leader answered and it was done here."""


class KilledView(PageView):
    """What became of the kill switch."""

    killed: bool
    changed: bool
    """Whether this node's file was made or taken away by this call."""
    nodes_told: bool
    problem: str | None
    """Why the other nodes could not be told."""


class KeyView(PageView):
    """A gateway key; the key itself is kept nowhere."""

    id: str
    name: str
    scopes: list[str]
    created_at: float
    revoked_at: float | None


class AuditView(PageView):
    """Who did what, when, and why."""

    at: float
    actor: str
    action: str
    subject: str
    reason: str


class ProblemDetails(PageView):
    """What went wrong and what to do."""

    message: str
    type: Literal["crossfade_error"] = "crossfade_error"
    param: None = None
    code: str


class ProblemView(PageView):
    """An error, in the shape OpenAI's API gives its own."""

    error: ProblemDetails


class ExchangeLine(PageView):
    """An exchange without its content."""

    id: str
    arrived_at: datetime
    """UTC."""
    route: str
    variant: str
    why: str
    reason: str
    upstream: str
    model_requested: str
    status: int
    outcome: str
    total_ms: float
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None


class ExchangesView(PageView):
    """A page of exchanges, newest first."""

    exchanges: list[ExchangeLine]
    next_before: str | None
    """What `before` is for the next page; None: this is the last."""


class ExchangeView(PageView):
    """All that is kept of an exchange; the columns are those of docs/reference/records.md."""

    record: dict[str, str | int | float | bool | None]


class ComparisonLine(PageView):
    """A comparison without its content; the columns are those of docs/reference/records.md."""

    exchange_id: str
    asked: str
    route: str
    compared_at: datetime
    """UTC."""
    came: str
    reason: str
    status: int
    metric: str
    q: float | None
    agree: float | None
    valid_candidate: bool | None
    valid_baseline: bool | None
    first_byte_ms: float | None
    total_ms: float | None
    cost_usd: float | None
    cost_served_usd: float | None
    judge_cost_usd: float
    scores_json: str


class ComparisonsView(PageView):
    """The comparisons of a page of exchanges, newest first."""

    comparisons: list[ComparisonLine]
    next_before: str | None
    """What `before` is for the next page; None: this is the last."""


class FeedbackLine(PageView):
    """What was last said of an exchange."""

    exchange_id: str
    route: str | None
    """None: the exchange is not recorded, or no more."""
    said_at: datetime
    """UTC."""
    score: float | None
    label: str | None
    comment: str | None


class FeedbackView(PageView):
    """A page of feedback, newest first."""

    feedback: list[FeedbackLine]
    next_before: str | None
    """What `before` is for the next page; None: this is the last."""


class SignView(PageView):
    """One signal, or one check."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)
    name: str
    reason: str
    value: float | None
    limit: float | None
    before: float | None
    """The same in the window's earlier half, and in its later one."""
    after: float | None
    holds: bool | None
    """Whether the signal is on, or the check holds; None: unknown."""


class SavingView(PageView):
    """What servers of one's own would save, every hour charged; None: unknown."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)
    reason: str
    baseline_usd_per_month: float | None
    candidate_usd_per_month: float | None
    saved_usd_per_month: float | None
    break_even_requests_per_month: float | None
    requests_per_month: float | None
    payback_months: float | None
    idle_share: float | None


class RetirementView(PageView):
    """When the provider turns the model off, beside when a fine-tune begun now would have all traffic."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)
    model: str
    shutdown_at: float | None
    days_left: float | None
    finish_at: float
    comes_first: bool


class ReadinessView(PageView):
    """Whether a route should be fine-tuned yet, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)
    route: str
    """`unrouted/` and eight hex digits: a kind of request that no policy has."""
    verdict: Literal["not yet", "prepare", "due"]
    reasons: tuple[str, ...]
    next: str
    """One command, or one thing to write."""
    signals: tuple[SignView, ...]
    checks: tuple[SignView, ...]
    saving: SavingView
    retirement: RetirementView
    requests: int
    days: float
    """Of the window, since the first of them."""


class ReadinessListView(PageView):
    """Every route, and the dearest kinds of request without one."""

    routes: list[ReadinessView]
